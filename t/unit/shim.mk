if CRITERION
check_PROGRAMS += t/unit/shim
TESTS += t/unit/shim
t_unit_shim_SOURCES = t/unit/shim.c sandbox/shim/match.c sandbox/shim/ring.c
t_unit_shim_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_shim_LDADD = libbase.a $(CRITERION_LIBS)
endif
