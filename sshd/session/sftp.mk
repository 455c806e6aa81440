# SFTP in the session; sshd/session/local.mk adds $(session_sftp_sources) to the program.
session_sftp_sources = \
	sshd/attrs.c sshd/attrs.h \
	sshd/session/activity.h \
	sshd/session/files_client.c sshd/session/files_client.h \
	sshd/session/hash.c sshd/session/hash.h \
	sshd/session/outfile.c sshd/session/outfile.h \
	sshd/session/sftp.c sshd/session/sftp.h \
	sshd/session/sftp_backups.c \
	sshd/session/sftp_check.c \
	sshd/session/sftp_copy.c \
	sshd/session/sftp_data.c \
	sshd/session/sftp_ext.c \
	sshd/session/sftp_handle.c \
	sshd/session/sftp_keys.c \
	sshd/session/sftp_list.c \
	sshd/session/sftp_note.c \
	sshd/session/sftp_ops.c \
	sshd/session/sftp_path.c sshd/session/sftp_path.h \
	sshd/session/sftp_reply.c \
	sshd/session/sftp_server.c \
	sshd/session/sftp_virtual.c sshd/session/sftp_virtual.h
