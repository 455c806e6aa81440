# holdfast-sink: the admin's program, for each event.
pkglibexec_PROGRAMS += holdfast-sink
holdfast_sink_SOURCES = sshd/sink/main.c sshd/proto.h
holdfast_sink_LDADD = libbase.a
sshd/sink/main.$(OBJEXT): sandbox/lock/server.bpf.h
EXTRA_DIST += sshd/sink/RIGHTS
