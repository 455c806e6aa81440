# Unit tests: t/unit/NAME.c makes the program t/unit/NAME, run by 'make check'.  Each folder's tests are listed in a file of their own.
include t/unit/local.mk
include t/proc/local.mk
EXTRA_DIST += t/fault t/rig t/check t/bench t/fuzz t/lib t/lint t/payload t/sys t/vm

# The folders above go into the archive whole: not what an in-tree build left in them.
dist-hook:
	cd $(distdir) && rm -f $(check_PROGRAMS) $(noinst_PROGRAMS) && find t \( -name '*.o' -o -name '*.log' -o -name '*.trs' \
		-o -name '*.bpf.h' -o -name .dirstamp -o -name .deps -o -name __pycache__ \) -prune -exec rm -rf {} +
