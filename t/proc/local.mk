# One process over pipes, no root.
include t/proc/sftp.mk
