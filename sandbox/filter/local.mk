# holdfast-filter: the packet filter; its pure part is also what the unit test links.
filter_rules_sources = \
	sandbox/filter/held.c sandbox/filter/held.h \
	sandbox/filter/mark.c sandbox/filter/mark.h \
	sandbox/filter/rules.c sandbox/filter/rules.h \
	sandbox/filter/state.c sandbox/filter/state.h
pkglibexec_PROGRAMS += holdfast-filter
holdfast_filter_SOURCES = \
	sandbox/filter/device.c sandbox/filter/device.h \
	sandbox/filter/main.c \
	sandbox/filter/nft.c sandbox/filter/nft.h \
	sandbox/filter/read.c sandbox/filter/read.h \
	sandbox/filter/track.c sandbox/filter/track.h \
	sandbox/filter/watch.c sandbox/filter/watch.h \
	sandbox/proto.h $(filter_rules_sources)
holdfast_filter_CPPFLAGS = $(AM_CPPFLAGS) $(NFTABLES_CFLAGS)
holdfast_filter_LDADD = liblock.a libbase.a $(NFTABLES_LIBS)
sandbox/filter/holdfast_filter-main.$(OBJEXT): sandbox/lock/filter.bpf.h
BUILT_SOURCES += sandbox/lock/filter.bpf.h
CLEANFILES += sandbox/lock/filter.bpf.h
EXTRA_DIST += sandbox/filter/RIGHTS etc/seccomp/filter.policy
