# The shim and the sandbox's init.
pkglibexec_PROGRAMS += holdfast-init
holdfast_init_SOURCES = \
	sandbox/init/main.c \
	sandbox/init/spawn.c sandbox/init/spawn.h \
	sandbox/init/start.c sandbox/init/start.h
holdfast_init_LDADD = libbase.a
# Static: a sandbox's root file system need not have our libc.  The sanitizers cannot be linked statically.
if !SANITIZERS
holdfast_init_LDFLAGS = -static-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
endif
EXTRA_DIST += sandbox/init/RIGHTS
