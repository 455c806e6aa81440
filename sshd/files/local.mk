# What sshd/files builds.
