#!/bin/bash
# Handles: 32 a channel, 128 an account, 1024 the machine, shared out fairly; a worker that dies gives back what it had.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
/usr/bin/python3 -c 'import paramiko' 2>/dev/null || skip_all "python3-paramiko is not installed"
scratch
rig_up
D=$CONFIG/holdfast.ini
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
echo x >"$SCRATCH/f"
for server in one two three; do put "$(owner_of $server)" "$SCRATCH/f" "/$server/f" >/dev/null; done
none() { [ -z "$(role_pids files)" ]; }
ok "no worker is left of that" wait_until 5 none
is "$("$HERE/t/lib/handles.py" limit "$HOST" "$PORT" "$KEY")" 32 "limits@openssh.com says 32 a channel"
run "$HERE/t/lib/handles.py" account "$HOST" "$PORT" "$KEY" "$KEY2" "$PREFIX/libexec/holdfast-files"
import_results "$TAP_TMP/out" ""
is "$rc" 0 "to the end"; [ "$rc" = 0 ] || diag "$err"
ok "every worker has ended" wait_until 5 none

echo "$(sed "s/^max_connections.*/&\naccount_handles = 30\nnode_handles = 40/" "$D")" >"$D"
ok "a machine with 40 handles, 30 an account" reload
is "$("$HERE/t/lib/handles.py" limit "$HOST" "$PORT" "$KEY")" 30 "limits@openssh.com says what the account has, where that is less"
run "$HERE/t/lib/handles.py" node "$HOST" "$PORT" "$KEY" "$KEY2"
import_results "$TAP_TMP/out" ""
is "$rc" 0 "to the end"; [ "$rc" = 0 ] || diag "$err"
ok "the daemon lives" daemon_up
done_testing
