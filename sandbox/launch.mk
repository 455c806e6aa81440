# holdfast-launch: mounts a server's disk, or sets a sandbox up and becomes its shim.
pkglibexec_PROGRAMS += holdfast-launch
# All but main, for the tests of the plan.
noinst_LIBRARIES += liblaunch.a
liblaunch_a_SOURCES = \
	sandbox/launch/access.c sandbox/launch/access.h \
	sandbox/launch/child.c sandbox/launch/child.h \
	sandbox/launch/clock.c sandbox/launch/clock.h \
	sandbox/launch/disk.c sandbox/launch/disk.h \
	sandbox/launch/drop.c sandbox/launch/drop.h \
	sandbox/launch/etc.c \
	sandbox/launch/filter.c sandbox/launch/filter.h \
	sandbox/launch/image.c sandbox/launch/image.h \
	sandbox/launch/jobs.h \
	sandbox/launch/mounts.h \
	sandbox/launch/net.c sandbox/launch/net.h \
	sandbox/launch/plan.c sandbox/launch/plan.h \
	sandbox/launch/root.c sandbox/launch/root.h \
	sandbox/launch/run.c sandbox/launch/run.h \
	sandbox/launch/sequence.c \
	sandbox/launch/shim.c sandbox/launch/shim.h \
	sandbox/launch/space.c sandbox/launch/space.h \
	sandbox/launch/step.c sandbox/launch/step.h \
	sandbox/launch/sys.c \
	sandbox/launch/terminal.c sandbox/launch/terminal.h \
	sandbox/lock/landlock.c sandbox/lock/landlock.h \
	sandbox/proto.h $(quota_disk_sources)
liblaunch_a_CPPFLAGS = $(AM_CPPFLAGS) $(CAP_CFLAGS)
holdfast_launch_SOURCES = sandbox/launch/main.c
# Linked statically: a third of its start would be the dynamic linker's, and a root program needs nothing that is looked up at run time.
# The sanitizers cannot be.
holdfast_launch_LDADD = liblaunch.a libbase.a $(CAP_LIBS)
if !SANITIZERS
holdfast_launch_LDFLAGS = -static-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
endif
BUILT_SOURCES += sandbox/lock/server.bpf.h sandbox/lock/build.bpf.h sandbox/lock/tool.bpf.h
CLEANFILES += sandbox/lock/server.bpf.h sandbox/lock/build.bpf.h sandbox/lock/tool.bpf.h
sandbox/launch/liblaunch_a-filter.$(OBJEXT): sandbox/lock/server.bpf.h sandbox/lock/build.bpf.h sandbox/lock/tool.bpf.h
EXTRA_DIST += sandbox/launch/RIGHTS
