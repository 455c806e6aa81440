# Tests of the disks' backends: their parts that need no file system with quotas.
if CRITERION
check_PROGRAMS += t/unit/project t/unit/erase
TESTS += t/unit/project t/unit/erase
t_unit_project_SOURCES = t/unit/project.c
t_unit_project_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_project_LDADD = liblaunch.a libbase.a $(CRITERION_LIBS)

t_unit_erase_SOURCES = t/unit/erase.c
t_unit_erase_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_erase_LDADD = liblaunch.a libbase.a $(CRITERION_LIBS)
endif
