# What sshd/session builds.
