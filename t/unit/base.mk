# Tests of the leaf library and of the supervisor's pure parts.
if CRITERION
check_PROGRAMS += t/unit/base t/unit/limits t/unit/log t/unit/place t/unit/server t/unit/rate t/unit/shares t/unit/source
TESTS += t/unit/base t/unit/limits t/unit/log t/unit/place t/unit/server t/unit/rate t/unit/shares t/unit/source
t_unit_base_SOURCES = t/unit/base.c
t_unit_base_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) -Wno-conversion -Wno-missing-prototypes
t_unit_base_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_limits_SOURCES = t/unit/limits.c sshd/supervisor/limits.c sshd/supervisor/usage.c
t_unit_limits_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_limits_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_log_SOURCES = t/unit/log.c
t_unit_log_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_log_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_place_SOURCES = t/unit/place.c
t_unit_place_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_place_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_rate_SOURCES = t/unit/rate.c
t_unit_rate_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_rate_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_server_SOURCES = t/unit/server.c sshd/supervisor/life.c sshd/supervisor/reason.c sshd/supervisor/server.c sshd/supervisor/states.c \
	sshd/supervisor/turn.c sshd/supervisor/wait.c
t_unit_server_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_server_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_shares_SOURCES = t/unit/shares.c sshd/supervisor/shares.c sshd/supervisor/shares.h
t_unit_shares_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_shares_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_source_SOURCES = t/unit/source.c sshd/supervisor/source.c sshd/supervisor/source_keep.c sshd/supervisor/source_table.c
t_unit_source_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_source_LDADD = libbase.a $(CRITERION_LIBS)

check_PROGRAMS += t/unit/warn
TESTS += t/unit/warn
t_unit_warn_SOURCES = t/unit/warn.c sshd/supervisor/warn.c
t_unit_warn_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_warn_LDADD = libbase.a $(CRITERION_LIBS)

check_PROGRAMS += t/unit/scan
TESTS += t/unit/scan
t_unit_scan_SOURCES = t/unit/scan.c
t_unit_scan_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_scan_LDADD = libscan.a libwalk.a libbase.a $(CRITERION_LIBS)

check_PROGRAMS += t/unit/rules t/unit/net t/unit/mark
TESTS += t/unit/rules t/unit/net t/unit/mark
t_unit_rules_SOURCES = t/unit/rules.c sandbox/filter/read.c sandbox/filter/read.h $(filter_rules_sources)
t_unit_rules_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_rules_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_net_SOURCES = t/unit/net.c
t_unit_net_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_net_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_mark_SOURCES = t/unit/mark.c sandbox/filter/mark.c sandbox/filter/mark.h
t_unit_mark_CFLAGS = $(t_unit_base_CFLAGS)
t_unit_mark_LDADD = libbase.a $(CRITERION_LIBS)
endif
