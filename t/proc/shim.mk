if CRITERION
SHIM_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) -DBUILD='"$(abs_top_builddir)"'
SHIM_TEST_LDADD = libbase.a $(CRITERION_LIBS)

check_PROGRAMS += t/proc/shim t/proc/shim_hostile t/proc/shim_notify t/proc/shim_taken
TESTS += t/proc/shim t/proc/shim_hostile t/proc/shim_notify t/proc/shim_taken
t_proc_shim_SOURCES = t/proc/shim.c t/proc/shim_rig.c t/proc/shim_rig.h
t_proc_shim_CPPFLAGS = $(SHIM_TEST_CPPFLAGS)
t_proc_shim_LDADD = $(SHIM_TEST_LDADD)
t_proc_shim_hostile_SOURCES = t/proc/shim_hostile.c t/proc/shim_rig.c t/proc/shim_rig.h
t_proc_shim_hostile_CPPFLAGS = $(SHIM_TEST_CPPFLAGS)
t_proc_shim_hostile_LDADD = $(SHIM_TEST_LDADD)
t_proc_shim_notify_SOURCES = t/proc/shim_notify.c t/proc/shim_rig.c t/proc/shim_rig.h
t_proc_shim_notify_CPPFLAGS = $(SHIM_TEST_CPPFLAGS)
t_proc_shim_notify_LDADD = $(SHIM_TEST_LDADD)
t_proc_shim_taken_SOURCES = t/proc/shim_taken.c t/proc/shim_rig.c t/proc/shim_rig.h
t_proc_shim_taken_CPPFLAGS = $(SHIM_TEST_CPPFLAGS)
t_proc_shim_taken_LDADD = $(SHIM_TEST_LDADD)
endif

# Shims that speak other versions, for t/proc/shim_notify and t/sys/upgrade.t: the first two, and one that knows none of ours.
check_PROGRAMS += t/lib/shim-1 t/lib/shim-2 t/lib/shim-9
t_lib_shim_1_SOURCES = $(holdfast_shim_SOURCES)
t_lib_shim_1_CPPFLAGS = $(AM_CPPFLAGS) -DSHIM_SPEAKS=1 -DSHIM_SPEAKS_FROM=1
t_lib_shim_1_LDADD = $(holdfast_shim_LDADD)
t_lib_shim_2_SOURCES = $(holdfast_shim_SOURCES)
t_lib_shim_2_CPPFLAGS = $(AM_CPPFLAGS) -DSHIM_SPEAKS=2 -DSHIM_SPEAKS_FROM=1
t_lib_shim_2_LDADD = $(holdfast_shim_LDADD)
t_lib_shim_9_SOURCES = $(holdfast_shim_SOURCES)
t_lib_shim_9_CPPFLAGS = $(AM_CPPFLAGS) -DSHIM_SPEAKS=9 -DSHIM_SPEAKS_FROM=9
t_lib_shim_9_LDADD = $(holdfast_shim_LDADD)
