# What sshd/files builds.
BUILT_SOURCES += sandbox/lock/files.bpf.h
CLEANFILES += sandbox/lock/files.bpf.h
EXTRA_DIST += etc/seccomp/files.policy sshd/files/RIGHTS

pkglibexec_PROGRAMS += holdfast-files
holdfast_files_SOURCES = \
	sshd/files/beneath.c sshd/files/beneath.h \
	sshd/files/copy.c \
	sshd/files/deny.c sshd/files/deny.h \
	sshd/files/du.c \
	sshd/files/failure.c sshd/files/failure.h \
	sshd/files/handle.c sshd/files/handle.h \
	sshd/files/list.c \
	sshd/files/look.c \
	sshd/files/main.c \
	sshd/files/open.c \
	sshd/files/requests.c sshd/files/requests.h \
	sshd/files/setstat.c \
	sshd/files/space.c sshd/files/space.h \
	sshd/files/tree.c \
	sshd/files/usage.c sshd/files/usage.h \
	sshd/files/worker.h \
	sshd/attrs.c sshd/attrs.h sshd/proto.h
holdfast_files_LDADD = libgate.a libwalk.a liblock.a libbase.a
