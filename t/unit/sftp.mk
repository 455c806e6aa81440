if CRITERION
check_PROGRAMS += t/unit/gate t/unit/attrs t/unit/deny t/unit/scp t/unit/sftp_path
TESTS += t/unit/gate t/unit/attrs t/unit/deny t/unit/scp t/unit/sftp_path
t_unit_gate_SOURCES = t/unit/gate.c
t_unit_gate_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_gate_LDADD = libgate.a libbase.a $(CRITERION_LIBS) -lpthread
t_unit_attrs_SOURCES = t/unit/attrs.c sshd/attrs.c
t_unit_attrs_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_attrs_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_scp_SOURCES = t/unit/scp.c sshd/session/scp_glob.c sshd/session/scp_line.c
t_unit_scp_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_scp_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_deny_SOURCES = t/unit/deny.c sshd/files/deny.c sshd/files/deny.h
t_unit_deny_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_deny_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_sftp_path_SOURCES = t/unit/sftp_path.c sshd/session/sftp_path.c
t_unit_sftp_path_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_sftp_path_LDADD = libbase.a $(CRITERION_LIBS)
endif
check_PROGRAMS += t/lib/gate_bench
t_lib_gate_bench_SOURCES = t/lib/gate_bench.c
t_lib_gate_bench_LDADD = libgate.a libbase.a -lpthread
check_PROGRAMS += t/lib/disk_bench
t_lib_disk_bench_SOURCES = t/lib/disk_bench.c
