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

# Run by t/sys/disk.t, which needs root.
check_PROGRAMS += t/sys/diskctl
t_sys_diskctl_SOURCES = t/sys/diskctl.c $(quota_disk_sources)
t_sys_diskctl_LDADD = libbase.a
check_PROGRAMS += t/sys/fusectl
t_sys_fusectl_SOURCES = t/sys/fusectl.c $(quota_disk_sources)
t_sys_fusectl_LDADD = libbase.a
EXTRA_DIST += t/sys/disk.t

# Run by t/lint/options.t.
check_PROGRAMS += t/lib/options
t_lib_options_SOURCES = t/lib/options.c
t_lib_options_CFLAGS = $(AM_CFLAGS) -Wno-format-nonliteral
t_lib_options_LDADD = libbase.a
