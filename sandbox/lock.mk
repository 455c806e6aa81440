# The locks of every role, and the compiler of their seccomp policies.
#
# A role X with the policy etc/seccomp/X.policy writes in its own local.mk:
#     BUILT_SOURCES += sandbox/lock/X.bpf.h
#     CLEANFILES += sandbox/lock/X.bpf.h
#     EXTRA_DIST += etc/seccomp/X.policy
#     holdfast_X_LDADD = ... liblock.a libbase.a
# and in its source: #include "sandbox/lock/X.bpf.h" and struct lock { ..., LOCK_FILTER(lock_X_filter) }.
noinst_LIBRARIES += liblock.a
liblock_a_SOURCES = sandbox/lock/landlock.c sandbox/lock/landlock.h sandbox/lock/lock.c sandbox/lock/lock.h

noinst_PROGRAMS += sandbox/lock/policyc
sandbox_lock_policyc_SOURCES = sandbox/lock/policyc.c sandbox/lock/symbols.h
sandbox_lock_policyc_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)
sandbox_lock_policyc_LDADD = $(SECCOMP_LIBS)

EXTRA_DIST += etc/seccomp/common.policy

if SANITIZERS
POLICYC_FLAGS = --sanitizers
else
POLICYC_FLAGS =
endif

sandbox/lock/%.bpf.h: $(top_srcdir)/etc/seccomp/%.policy $(top_srcdir)/etc/seccomp/common.policy sandbox/lock/policyc$(EXEEXT)
	@mkdir -p sandbox/lock
	$(AM_V_GEN)sandbox/lock/policyc$(EXEEXT) $(POLICYC_FLAGS) $< >$@.new && mv $@.new $@
