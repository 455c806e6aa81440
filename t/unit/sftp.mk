if CRITERION
check_PROGRAMS += t/unit/gate
TESTS += t/unit/gate
t_unit_gate_SOURCES = t/unit/gate.c
t_unit_gate_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_gate_LDADD = libgate.a libbase.a $(CRITERION_LIBS) -lpthread
endif
