# Tests of the configuration.
if CRITERION
check_PROGRAMS += t/unit/conf_values t/unit/conf_spans
TESTS += t/unit/conf_values t/unit/conf_spans
CONF_TEST_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) -Wno-conversion -Wno-missing-prototypes
t_unit_conf_values_SOURCES = t/unit/conf_values.c t/unit/conf_rig.c t/unit/conf_rig.h
t_unit_conf_values_CFLAGS = $(CONF_TEST_CFLAGS)
t_unit_conf_values_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_conf_spans_SOURCES = t/unit/conf_spans.c t/unit/conf_rig.c t/unit/conf_rig.h $(supervisor_ini_sources)
t_unit_conf_spans_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS)
t_unit_conf_spans_CFLAGS = $(CONF_TEST_CFLAGS)
t_unit_conf_spans_LDADD = libbase.a $(INIH_LIBS) $(CRITERION_LIBS)
endif

if CRITERION
check_PROGRAMS += t/unit/record
TESTS += t/unit/record
t_unit_record_SOURCES = t/unit/record.c sandbox/lock/landlock.c $(quota_disk_sources)
t_unit_record_CFLAGS = $(CONF_TEST_CFLAGS)
t_unit_record_LDADD = libbase.a $(CRITERION_LIBS)
endif

# Run by t/sys/disk.t, which needs root.
check_PROGRAMS += t/sys/diskctl
t_sys_diskctl_SOURCES = t/sys/diskctl.c sandbox/lock/landlock.c sandbox/lock/landlock.h $(quota_disk_sources)
t_sys_diskctl_CPPFLAGS = $(AM_CPPFLAGS) -DDISKCTL_LIBEXEC='"$(abs_top_builddir)"'
t_sys_diskctl_LDADD = libbase.a
EXTRA_DIST += t/sys/disk.t t/sys/image_limits.t t/sys/image_damage.t t/lib/filler.py

# Run by t/lint/states.t.
check_PROGRAMS += t/lib/states
t_lib_states_SOURCES = t/lib/states.c sshd/supervisor/states.c
t_lib_states_LDADD = libbase.a
check_PROGRAMS += t/sys/fusectl
t_sys_fusectl_SOURCES = t/sys/fusectl.c sandbox/lock/landlock.c $(quota_disk_sources)
t_sys_fusectl_LDADD = libbase.a

# Run by t/lint/options.t.
check_PROGRAMS += t/lib/options
t_lib_options_SOURCES = t/lib/options.c
t_lib_options_CFLAGS = $(AM_CFLAGS) -Wno-format-nonliteral
t_lib_options_LDADD = libbase.a
