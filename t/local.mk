# Unit tests: t/unit/NAME.c makes the program t/unit/NAME, run by 'make check'.  Each folder's tests are listed in a file of their own.
include t/unit/local.mk
include t/proc/local.mk
EXTRA_DIST += t/fault t/rig t/check t/bench t/lib t/lint t/payload t/sys
