# holdfast-policy: the filter of a sandbox whose profile an admin has changed.
pkglibexec_PROGRAMS += holdfast-policy
holdfast_policy_SOURCES = \
	sandbox/policy/main.c \
	sandbox/policy/print.c sandbox/policy/print.h \
	sandbox/proto.h
holdfast_policy_LDADD = libpolicy.a liblock.a libbase.a
BUILT_SOURCES += sandbox/lock/policy.bpf.h
CLEANFILES += sandbox/lock/policy.bpf.h
sandbox/policy/main.$(OBJEXT): sandbox/lock/policy.bpf.h
EXTRA_DIST += sandbox/policy/RIGHTS etc/seccomp/policy.policy
