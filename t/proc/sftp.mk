noinst_PROGRAMS += t/proc/sftp_stdio
t_proc_sftp_stdio_SOURCES = t/proc/sftp_stdio.c $(session_sftp_sources)
t_proc_sftp_stdio_LDADD = libgate.a libbase.a -lcrypto

if CRITERION
FILES_TEST_RIG = t/proc/files_rig.c t/proc/files_rig.h sshd/attrs.c
FILES_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) -DBUILD='"$(abs_top_builddir)"'
FILES_TEST_LDADD = libgate.a libbase.a $(CRITERION_LIBS)
check_PROGRAMS += t/proc/files_du
TESTS += t/proc/files_du
t_proc_files_du_SOURCES = t/proc/files_du.c $(FILES_TEST_RIG)
t_proc_files_du_CPPFLAGS = $(FILES_TEST_CPPFLAGS)
t_proc_files_du_LDADD = $(FILES_TEST_LDADD)
check_PROGRAMS += t/proc/files t/proc/files_deny t/proc/files_quota t/proc/files_hostile
TESTS += t/proc/files t/proc/files_deny t/proc/files_quota t/proc/files_hostile
t_proc_files_SOURCES = t/proc/files.c $(FILES_TEST_RIG)
t_proc_files_CPPFLAGS = $(FILES_TEST_CPPFLAGS)
t_proc_files_LDADD = $(FILES_TEST_LDADD)
t_proc_files_deny_SOURCES = t/proc/files_deny.c $(FILES_TEST_RIG)
t_proc_files_deny_CPPFLAGS = $(FILES_TEST_CPPFLAGS)
t_proc_files_deny_LDADD = $(FILES_TEST_LDADD)
t_proc_files_quota_SOURCES = t/proc/files_quota.c $(FILES_TEST_RIG)
t_proc_files_quota_CPPFLAGS = $(FILES_TEST_CPPFLAGS)
t_proc_files_quota_LDADD = $(FILES_TEST_LDADD)
t_proc_files_hostile_SOURCES = t/proc/files_hostile.c $(FILES_TEST_RIG)
t_proc_files_hostile_CPPFLAGS = $(FILES_TEST_CPPFLAGS)
t_proc_files_hostile_LDADD = $(FILES_TEST_LDADD)
endif

check_PROGRAMS += t/fuzz/sftp
TESTS += t/fuzz/sftp
t_fuzz_sftp_SOURCES = t/fuzz/sftp.c t/fuzz/own.h $(session_sftp_sources)
t_fuzz_sftp_LDADD = libbase.a -lpthread -lcrypto
EXTRA_DIST += t/proc/sftp.t
