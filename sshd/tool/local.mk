# What sshd/tool builds.
