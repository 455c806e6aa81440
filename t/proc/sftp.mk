noinst_PROGRAMS += t/proc/sftp_stdio
t_proc_sftp_stdio_SOURCES = t/proc/sftp_stdio.c $(session_sftp_sources)
t_proc_sftp_stdio_LDADD = libgate.a libbase.a

if CRITERION
check_PROGRAMS += t/proc/files
TESTS += t/proc/files
t_proc_files_SOURCES = t/proc/files.c sshd/attrs.c
t_proc_files_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) -DBUILD='"$(abs_top_builddir)"'
t_proc_files_LDADD = libgate.a libbase.a $(CRITERION_LIBS)
endif

check_PROGRAMS += t/fuzz/sftp
TESTS += t/fuzz/sftp
t_fuzz_sftp_SOURCES = t/fuzz/sftp.c $(session_sftp_sources)
t_fuzz_sftp_LDADD = libbase.a -lpthread
EXTRA_DIST += t/proc/sftp.t
