# What quota builds.
noinst_LIBRARIES += libgate.a
libgate_a_SOURCES = quota/gate.c quota/gate.h
include quota/disk.mk
include quota/quotafs/local.mk
