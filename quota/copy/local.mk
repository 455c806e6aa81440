# holdfast-copy: a walk over a server's files, for a migration.
pkglibexec_PROGRAMS += holdfast-copy
holdfast_copy_SOURCES = \
	quota/copy/attrs.c quota/copy/attrs.h \
	quota/copy/compare.c \
	quota/copy/count.c \
	quota/copy/data.c quota/copy/data.h \
	quota/copy/jobs.h \
	quota/copy/main.c \
	quota/copy/make.c \
	quota/copy/pairs.c quota/copy/pairs.h \
	quota/copy/walk.c quota/copy/walk.h \
	sandbox/proto.h
holdfast_copy_LDADD = liblock.a libbase.a
quota/copy/main.$(OBJEXT): sandbox/lock/copy.bpf.h
BUILT_SOURCES += sandbox/lock/copy.bpf.h
CLEANFILES += sandbox/lock/copy.bpf.h
EXTRA_DIST += etc/seccomp/copy.policy quota/copy/RIGHTS
