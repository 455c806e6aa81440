#!/bin/bash
# Pacing of downloads, by clients that give back their window in small steps and stall, or a whole one at once.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
timeout 240 "$HERE/t/lib/sftp_pace.py" "$HOST" "$PORT" "$KEY" >out 2>err
code=$?
import_results out ""
is "$code" 0 "the script ran to its end"
[ "$code" = 0 ] || diag "$(tail -n 5 err)"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
