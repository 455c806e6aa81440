#!/bin/bash
# Pacing of downloads, by clients that give back their window in small steps and stall, or a whole one at once.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
script_results 240 sftp_pace.py "$HOST" "$PORT" "$KEY"
done_testing
