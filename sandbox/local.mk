# What sandbox builds.
include sandbox/lock.mk
include sandbox/launch.mk
include sandbox/filter/local.mk
include sandbox/shimsrc.mk
