# What sandbox builds.
include sandbox/shimsrc.mk
