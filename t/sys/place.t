#!/bin/bash
# A session and the worker it waits for take turns on one processor, and are free where both have something to do.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ "$(nproc)" -gt 1 ] || skip_all "one processor"
rig_up
scratch
cd "$SCRATCH" || exit 1
script_results 240 sftp_place.py "$HOST" "$PORT" "$KEY" "$PREFIX" "$(awk '$1 == "Cpus_allowed_list:" { print $2 }' "/proc/$SERVER_PID/status")"
is "$(role_pids files | wc -l)" 0 "no files worker is left"
done_testing
