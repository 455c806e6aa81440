# For t/bench/scan.
check_PROGRAMS += t/lib/scan
t_lib_scan_SOURCES = t/lib/scan.c
t_lib_scan_LDADD = libscan.a libwalk.a libbase.a
if CRITERION
check_PROGRAMS += t/proc/count
TESTS += t/proc/count
t_proc_count_SOURCES = t/proc/count.c
t_proc_count_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) -DBUILD='"$(abs_top_builddir)"'
t_proc_count_LDADD = libscan.a libwalk.a libbase.a $(CRITERION_LIBS)
endif
