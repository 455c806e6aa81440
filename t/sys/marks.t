#!/bin/bash
# Connections that the packet filter knows by their mark: they end when the rules no longer let them through, and nobody else's mark opens anything.
. "$(dirname "$0")/../lib/tap.sh"
HERE=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-$HERE/build}
[ -x "$BUILD/holdfast-filter" ] || bail "no $BUILD/holdfast-filter"
need_root
need ip nft nsenter python3
scratch
. "$HERE/t/lib/filter_net.sh"
within $host "$HERE/t/lib/marks_rig.py" "$BUILD/holdfast-filter" "$SCRATCH/log" $one $two $world >"$SCRATCH/results" 2>&1 & rig=$!
end_rig() { kill $rig 2>/dev/null; wait $rig 2>/dev/null; true; }
cleanup end_rig
wait $rig
is $? 0 "tried to the end"
import_results "$SCRATCH/results" ""
is "$(grep -c 'filter.unmarked' "$SCRATCH/log")" 0 "there was always a mark" || diag "$(cat "$SCRATCH/log")"
done_testing
