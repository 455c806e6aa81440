# What quota builds.
noinst_LIBRARIES += libgate.a
libgate_a_SOURCES = quota/gate.c quota/gate.h
include quota/disk.mk
include quota/copy/local.mk
# Counting: one thread's walk, what several names hide, the largest, and several threads.
noinst_LIBRARIES += libwalk.a libscan.a
libwalk_a_SOURCES = quota/links.c quota/links.h quota/top.c quota/top.h quota/walk.c quota/walk.h
libscan_a_SOURCES = quota/scan.c quota/scan.h
pkglibexec_PROGRAMS += holdfast-count
holdfast_count_SOURCES = \
	quota/count/folder.c quota/count/folder.h \
	quota/count/keep.c quota/count/keep.h \
	quota/count/main.c quota/proto.h
holdfast_count_LDADD = libscan.a libwalk.a liblock.a libbase.a
quota/count/main.$(OBJEXT): sandbox/lock/count.bpf.h
BUILT_SOURCES += sandbox/lock/count.bpf.h
CLEANFILES += sandbox/lock/count.bpf.h
EXTRA_DIST += quota/count/RIGHTS etc/seccomp/count.policy
include quota/quotafs/local.mk
