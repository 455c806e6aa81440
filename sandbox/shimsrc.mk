# The shim and the sandbox's init.
pkglibexec_PROGRAMS += holdfast-init
holdfast_init_SOURCES = \
	sandbox/init/main.c \
	sandbox/init/shell.c sandbox/init/shell.h \
	sandbox/init/spawn.c sandbox/init/spawn.h \
	sandbox/init/start.c sandbox/init/start.h
holdfast_init_LDADD = libbase.a
# Static: a sandbox's root file system need not have our libc.  The sanitizers cannot be linked statically.
if !SANITIZERS
holdfast_init_LDFLAGS = -static-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
endif
EXTRA_DIST += sandbox/init/RIGHTS

pkglibexec_PROGRAMS += holdfast-shim
holdfast_shim_SOURCES = \
	sandbox/shim/input.c sandbox/shim/input.h \
	sandbox/shim/journal.c sandbox/shim/journal.h \
	sandbox/shim/main.c \
	sandbox/shim/match.c sandbox/shim/match.h \
	sandbox/shim/notify.c sandbox/shim/notify.h \
	sandbox/shim/output.c sandbox/shim/output.h \
	sandbox/shim/peer.c sandbox/shim/peer.h \
	sandbox/shim/ready.c sandbox/shim/ready.h \
	sandbox/shim/ring.c sandbox/shim/ring.h \
	sandbox/shim/server.c sandbox/shim/server.h \
	sandbox/shim/shell.c sandbox/shim/shell.h \
	sandbox/shim/shim.h \
	sandbox/shim/taken.c sandbox/shim/taken.h \
	sandbox/shim/viewer.c sandbox/shim/viewer.h
holdfast_shim_LDADD = liblock.a libbase.a
BUILT_SOURCES += sandbox/lock/shim.bpf.h
CLEANFILES += sandbox/lock/shim.bpf.h
sandbox/shim/main.$(OBJEXT) sandbox/shim/shim_1-main.$(OBJEXT) sandbox/shim/shim_9-main.$(OBJEXT): sandbox/lock/shim.bpf.h
EXTRA_DIST += sandbox/shim/RIGHTS etc/seccomp/shim.policy
