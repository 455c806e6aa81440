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
sandbox_lock_policyc_SOURCES = sandbox/lock/policyc.c sandbox/lock/policy_emit.c sandbox/lock/policy.h sandbox/lock/symbols.h
sandbox_lock_policyc_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)
sandbox_lock_policyc_LDADD = $(SECCOMP_LIBS)

EXTRA_DIST += etc/seccomp/common.policy etc/seccomp/sandbox.policy etc/seccomp/programs.policy
EXTRA_DIST += etc/seccomp/server.policy etc/seccomp/build.policy etc/seccomp/tool.policy

# The profiles of sandboxes as rows, for who checks an admin's changes and who makes a filter of them.
noinst_LIBRARIES += libpolicy.a
libpolicy_a_SOURCES = sandbox/lock/change.c sandbox/lock/change.h sandbox/lock/policy_emit.c sandbox/lock/policy.h
PROFILE_ROWS = sandbox/lock/server.rows.h sandbox/lock/build.rows.h sandbox/lock/tool.rows.h sandbox/lock/calls.h
BUILT_SOURCES += $(PROFILE_ROWS)
CLEANFILES += $(PROFILE_ROWS)
sandbox/lock/change.$(OBJEXT): $(PROFILE_ROWS)

if SANITIZERS
POLICYC_FLAGS = --sanitizers
else
POLICYC_FLAGS =
endif

INCLUDED_POLICIES = $(top_srcdir)/etc/seccomp/common.policy $(top_srcdir)/etc/seccomp/sandbox.policy \
	$(top_srcdir)/etc/seccomp/programs.policy

sandbox/lock/%.bpf.h: $(top_srcdir)/etc/seccomp/%.policy $(INCLUDED_POLICIES) sandbox/lock/policyc$(EXEEXT)
	@mkdir -p sandbox/lock
	$(AM_V_GEN)sandbox/lock/policyc$(EXEEXT) $(POLICYC_FLAGS) $< >$@.new && mv $@.new $@

sandbox/lock/%.rows.h: $(top_srcdir)/etc/seccomp/%.policy $(INCLUDED_POLICIES) sandbox/lock/policyc$(EXEEXT)
	@mkdir -p sandbox/lock
	$(AM_V_GEN)sandbox/lock/policyc$(EXEEXT) --rows $< >$@.new && mv $@.new $@

sandbox/lock/calls.h: sandbox/lock/policyc$(EXEEXT)
	@mkdir -p sandbox/lock
	$(AM_V_GEN)sandbox/lock/policyc$(EXEEXT) --calls >$@.new && mv $@.new $@
