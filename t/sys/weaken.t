#!/bin/bash
# Each protection of a server is left out in turn, and the probe for it must notice: a probe that cannot fail is not a probe.
# No daemon here: t/lib/sandbox_run gives the orders, and "the host" is a set of namespaces of this test's own.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need unshare ip
HERE=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-$HERE/build}
[ -x "$BUILD/t/lib/launch_weak" ] || skip_all "t/lib/launch_weak is not built"
scratch
"$BUILD/t/lib/prober" --list >"$SCRATCH/table"
atleast "$(grep -c $'\tprobe\t' "$SCRATCH/table")" 60 "probes"
is "$(cut -f1 "$SCRATCH/table" | sort | uniq -d)" "" "each has a name of its own"
run timeout 300 unshare -m -n -i -u --propagation private python3 -B "$HERE/t/lib/probes/matrix.py" "$BUILD"
is $rc 0 "the matrix was walked to its end"
diag "$err"
printf '%s\n' "$out" >"$SCRATCH/results"
import_results "$SCRATCH/results" ""
done_testing
