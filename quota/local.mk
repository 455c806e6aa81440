# What quota builds.
noinst_LIBRARIES += libgate.a
libgate_a_SOURCES = quota/gate.c quota/gate.h
include quota/image.mk
# Counting: one thread's walk, what several names hide, the largest, and several threads.
noinst_LIBRARIES += libwalk.a libscan.a
libwalk_a_SOURCES = quota/links.c quota/links.h quota/top.c quota/top.h quota/walk.c quota/walk.h
libscan_a_SOURCES = quota/scan.c quota/scan.h
