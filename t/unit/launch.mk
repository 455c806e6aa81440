# Tests of the locks and of launch.
TESTS += t/unit/policyc.sh
EXTRA_DIST += t/unit/policyc.sh t/lib/sample.policy t/lib/sample2.policy t/lib/locked.policy
CLEANFILES += t/lib/sample.bpf.h t/lib/locked.bpf.h

t/lib/%.bpf.h: $(top_srcdir)/t/lib/%.policy $(top_srcdir)/etc/seccomp/common.policy sandbox/lock/policyc$(EXEEXT)
	@mkdir -p t/lib
	$(AM_V_GEN)sandbox/lock/policyc$(EXEEXT) $(POLICYC_FLAGS) $< >$@.new && mv $@.new $@

if CRITERION
check_PROGRAMS += t/unit/policy t/unit/lock t/unit/plan t/unit/profiles
TESTS += t/unit/policy t/unit/lock t/unit/plan t/unit/profiles
BUILT_SOURCES += t/lib/sample.bpf.h t/lib/locked.bpf.h

t_unit_policy_SOURCES = t/unit/policy.c t/lib/bpf.h
t_unit_policy_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) -Wno-conversion -Wno-missing-prototypes
t_unit_policy_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_profiles_SOURCES = t/unit/profiles.c t/lib/bpf.h
t_unit_profiles_CFLAGS = $(t_unit_policy_CFLAGS)
t_unit_profiles_LDADD = libpolicy.a libbase.a $(CRITERION_LIBS)

t_unit_lock_SOURCES = t/unit/lock.c
t_unit_lock_CFLAGS = $(t_unit_policy_CFLAGS)
t_unit_lock_LDADD = liblock.a libbase.a $(CRITERION_LIBS)

check_PROGRAMS += t/unit/quotafs
TESTS += t/unit/quotafs
t_unit_quotafs_SOURCES = t/unit/quotafs.c
t_unit_quotafs_CFLAGS = $(t_unit_policy_CFLAGS)
t_unit_quotafs_LDADD = libquotafs.a libbase.a $(CRITERION_LIBS) -lpthread

t_unit_plan_SOURCES = t/unit/plan.c
t_unit_plan_CFLAGS = $(t_unit_policy_CFLAGS)
t_unit_plan_LDADD = liblaunch.a libbase.a $(CAP_LIBS) $(CRITERION_LIBS)
endif

# Stand-ins for the programs around launch, and the hostile payloads: for t/sys/launch.sh, t/sys/swap.t and t/bench/start.
check_PROGRAMS += t/lib/hostile t/lib/jit t/lib/swapper t/lib/stamp t/lib/stand_init t/lib/stand_shim t/lib/sandbox_run t/lib/cutter
t_lib_stand_init_SOURCES = t/lib/stand_init.c
t_lib_stand_init_LDADD = libbase.a
t_lib_stand_shim_SOURCES = t/lib/stand_shim.c
t_lib_stand_shim_LDADD = libbase.a
t_lib_sandbox_run_SOURCES = t/lib/sandbox_run.c
t_lib_sandbox_run_LDADD = libbase.a
t_lib_cutter_SOURCES = t/lib/cutter.c
t_lib_cutter_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)
t_lib_cutter_LDADD = $(SECCOMP_LIBS)
t_lib_stamp_SOURCES = t/lib/stamp.c
t_lib_hostile_SOURCES = t/lib/hostile.c
t_lib_jit_SOURCES = t/lib/jit.c
t_lib_jit_LDADD = -lpthread
t_lib_swapper_SOURCES = t/lib/swapper.c
t_lib_hostile_LDADD = -lpthread
EXTRA_DIST += t/bench/start t/sys/launch.sh
TESTS += t/sys/launch.sh
if !SANITIZERS
t_lib_stand_init_LDFLAGS = -static
t_lib_stamp_LDFLAGS = -static
t_lib_swapper_LDFLAGS = -static
endif

# What runs inside a server and tries its walls: t/sys/probes.t, t/sys/weaken.t.
check_PROGRAMS += t/lib/prober
t_lib_prober_SOURCES = t/lib/probes/probe.h t/lib/probes/prober.c t/lib/probes/table.c t/lib/probes/calls.c t/lib/probes/tree.c \
	t/lib/probes/self.c t/lib/probes/talk.c t/lib/probes/bombs.c
t_lib_prober_LDADD = -lpthread
if !SANITIZERS
t_lib_prober_LDFLAGS = -static
endif

# The same with protections left out by name: the objects of launch and init themselves, and nothing that is installed.
check_PROGRAMS += t/lib/launch_weak t/lib/init_weak
t_lib_launch_weak_SOURCES = sandbox/launch/main.c t/lib/probes/weak_launch.c t/lib/probes/weaken.c t/lib/probes/weaken.h
t_lib_launch_weak_CPPFLAGS = $(AM_CPPFLAGS) $(CAP_CFLAGS)
t_lib_launch_weak_LDADD = liblaunch.a libbase.a $(CAP_LIBS)
t_lib_launch_weak_LDFLAGS = $(AM_LDFLAGS) $(holdfast_launch_LDFLAGS) -Wl,--wrap=sequence,--wrap=drop_rights,--wrap=prctl,--wrap=setgroups \
	-Wl,--wrap=setresgid,--wrap=setresuid,--wrap=cap_set_proc,--wrap=io_close_from,--wrap=syscall
t_lib_init_weak_SOURCES = $(holdfast_init_SOURCES) t/lib/probes/weak_init.c t/lib/probes/weaken.c t/lib/probes/weaken.h
t_lib_init_weak_LDADD = libbase.a
t_lib_init_weak_LDFLAGS = $(AM_LDFLAGS) $(holdfast_init_LDFLAGS) -Wl,--wrap=prctl,--wrap=close,--wrap=signal,--wrap=getpid

# The server that misbehaves in each way there is: t/sys/nasty.t.
check_PROGRAMS += t/lib/nasty
t_lib_nasty_SOURCES = t/lib/nasty.c
if !SANITIZERS
t_lib_nasty_LDFLAGS = -static
endif

# The server that takes all there is: t/sys/hoard.t.
check_PROGRAMS += t/lib/hoard
t_lib_hoard_SOURCES = t/lib/hoard.c
if !SANITIZERS
t_lib_hoard_LDFLAGS = -static
endif

# What tries to have more of its disk than it was given: t/sys/quota.t.
check_PROGRAMS += t/lib/quota_filler
t_lib_quota_filler_SOURCES = t/lib/filler/filler.h t/lib/filler/main.c t/lib/filler/table.c t/lib/filler/bytes.c t/lib/filler/alloc.c \
	t/lib/filler/ways.c t/lib/filler/names.c t/lib/filler/calls.c
t_lib_quota_filler_LDADD = -lpthread
check_PROGRAMS += t/lib/cutdisk
t_lib_cutdisk_SOURCES = t/lib/cutdisk.c
t_lib_cutdisk_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
t_lib_cutdisk_LDADD = libbase.a $(FUSE_LIBS)
