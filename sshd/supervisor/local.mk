# What sshd/supervisor builds.
