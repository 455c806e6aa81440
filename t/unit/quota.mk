# Tests of the disks' backends: their parts that need no file system with quotas.
if CRITERION
check_PROGRAMS += t/unit/project t/unit/erase t/unit/zfs t/unit/command
TESTS += t/unit/project t/unit/erase t/unit/zfs t/unit/command
t_unit_project_SOURCES = t/unit/project.c
t_unit_project_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_project_LDADD = liblaunch.a libbase.a $(CRITERION_LIBS)

t_unit_erase_SOURCES = t/unit/erase.c
t_unit_erase_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_erase_LDADD = liblaunch.a libbase.a $(CRITERION_LIBS)

t_unit_zfs_SOURCES = t/unit/zfs.c quota/dataset.c
t_unit_zfs_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_zfs_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_command_SOURCES = t/unit/command.c
t_unit_command_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_command_LDADD = liblaunch.a libbase.a $(CRITERION_LIBS)
endif
