# Tests of base.
if CRITERION
check_PROGRAMS += t/unit/log
TESTS += t/unit/log
t_unit_log_SOURCES = t/unit/log.c
t_unit_log_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_log_LDADD = libbase.a $(CRITERION_LIBS)
endif
