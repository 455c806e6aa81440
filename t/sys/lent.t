#!/bin/bash
# md5sum and test beside SFTP on one connection: they ask the worker that is there.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
/usr/bin/python3 -c 'import paramiko' 2>/dev/null || skip_all "python3-paramiko is not installed"
scratch
cat >"$SCRATCH/more.ini" <<'EOI'
[server one]
allow = bob: files.read files.create
EOI
rig_up --ini "$SCRATCH/more.ini"
cd "$SCRATCH" || exit 1
script_results 120 lent.py "$HOST" "$PORT" "$KEY" "$KEY2" "$PREFIX" "$SERVER_PID" "$RUN"
none() { [ -z "$(role_pids files)" ]; }
ok "no files worker is left" wait_until 5 none
done_testing
