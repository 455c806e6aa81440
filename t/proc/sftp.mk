noinst_PROGRAMS += t/proc/sftp_stdio
t_proc_sftp_stdio_SOURCES = t/proc/sftp_stdio.c $(session_sftp_sources)
t_proc_sftp_stdio_LDADD = libgate.a libbase.a
