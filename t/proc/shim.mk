if CRITERION
SHIM_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) -DBUILD='"$(abs_top_builddir)"'
SHIM_TEST_LDADD = libbase.a $(CRITERION_LIBS)

check_PROGRAMS += t/proc/shim t/proc/shim_hostile
TESTS += t/proc/shim t/proc/shim_hostile
t_proc_shim_SOURCES = t/proc/shim.c t/proc/shim_rig.c t/proc/shim_rig.h
t_proc_shim_CPPFLAGS = $(SHIM_TEST_CPPFLAGS)
t_proc_shim_LDADD = $(SHIM_TEST_LDADD)
t_proc_shim_hostile_SOURCES = t/proc/shim_hostile.c t/proc/shim_rig.c t/proc/shim_rig.h
t_proc_shim_hostile_CPPFLAGS = $(SHIM_TEST_CPPFLAGS)
t_proc_shim_hostile_LDADD = $(SHIM_TEST_LDADD)
endif
