# holdfast-quotafs.  What counts, without the kernel's side, is a library so that unit tests can link it.
noinst_LIBRARIES += libquotafs.a
libquotafs_a_SOURCES = \
	quota/quotafs/charge.c quota/quotafs/charge.h \
	quota/quotafs/folder.c quota/quotafs/folder.h \
	quota/quotafs/ledger.c quota/quotafs/ledger.h \
	quota/quotafs/node.c quota/quotafs/node.h \
	quota/quotafs/recount.c quota/quotafs/recount.h

pkglibexec_PROGRAMS += holdfast-quotafs
holdfast_quotafs_SOURCES = \
	quota/quotafs_proto.h \
	quota/quotafs/attrs.c \
	quota/quotafs/control.c quota/quotafs/control.h \
	quota/quotafs/data.c \
	quota/quotafs/extent.c quota/quotafs/extent.h \
	quota/quotafs/file.c quota/quotafs/file.h \
	quota/quotafs/fs.h \
	quota/quotafs/gone.c \
	quota/quotafs/list.c \
	quota/quotafs/main.c \
	quota/quotafs/names.c \
	quota/quotafs/ops.c quota/quotafs/ops.h \
	quota/quotafs/serve.c quota/quotafs/serve.h \
	quota/quotafs/xattrs.c
holdfast_quotafs_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
holdfast_quotafs_LDADD = libquotafs.a liblock.a libbase.a $(FUSE_LIBS) -lpthread
BUILT_SOURCES += sandbox/lock/quotafs.bpf.h
CLEANFILES += sandbox/lock/quotafs.bpf.h
quota/quotafs/holdfast_quotafs-main.$(OBJEXT): sandbox/lock/quotafs.bpf.h
EXTRA_DIST += quota/quotafs/RIGHTS etc/seccomp/quotafs.policy
