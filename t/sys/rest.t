#!/bin/bash
# A session gives its memory back when it has nothing to do, and only then.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
script_results 120 sftp_rest.py "$HOST" "$PORT" "$KEY" "$PREFIX"
done_testing
