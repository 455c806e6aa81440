#!/bin/bash
# Out at once: each way to lose a key, a right, an account or a server, with each kind of channel at work on it; the times are told.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rsync scp sftp sshpass python3
python3 -c 'import paramiko' 2>/dev/null || skip_all "paramiko is not installed"
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[limits]
rate = sum none
rate = backup.create none
rate = backup.get none
rate = rsync none
max_per_source = 100
max_unauthenticated = 1000
EOF
rig_up --ini "$SCRATCH/more.ini"
export HOST PORT RUN TOOL SCRATCH KNOWN_HOSTS CONFIG LOG SERVER_PID KEY SSH_CONFIG
timeout -k 5 600 python3 "$HERE/t/lib/out.py" >"$SCRATCH/results" 2>&1
code=$?
import_results "$SCRATCH/results" ""
is $code 0 "all ways were gone"
ok "the daemon is up" daemon_up
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
