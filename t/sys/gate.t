#!/bin/bash
# The gate under 64 writers at once: nothing passes it, nothing is lost in it, whoever is killed.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
export LIMIT=$((48 << 20))
cat >"$SCRATCH/more.ini" <<E3
[limits]
max_connections = 512
[account alice]
max_connections = 100
[server one]
disk = $LIMIT
E3
rig_up --ini "$SCRATCH/more.ini"
W=(python3 -B "$HERE/t/lib/gate_writers.py")
D=$PREFIX/state/servers/one
hf alice quota one >/dev/null
ok "its disk is up" wait_until 10 mountpoint -q "$D"
empty=$(stat -f -c '%a' "$D")
go() {
    local what=$1; shift
    timeout -k 5 120 "${W[@]}" "$what" "$SSH_CONFIG" "$SERVER_PID" "$D" "$@" >"$TAP_TMP/$what" 2>&1 || diag "$(tail -n 5 "$TAP_TMP/$what")"
    import_results "$TAP_TMP/$what" "$what: "
}
empty_it() { find "$D" -mindepth 1 -delete; sync -f "$D"; }

go refill
go stopped
empty_it
go rush $((24 << 20))
empty_it
go churn $((24 << 20)) 8
empty_it
go churn "$LIMIT" 8
rm -f "$D"/w?.* "$D"/w1?.*; sync -f "$D"
go refill
empty_it
is "$(stat -f -c '%a' "$D")" "$empty" "with all removed, all is free again"
ok "the daemon is up" daemon_up
nok "nobody died of a broken rule" logged "peer broke a rule|bug at "
done_testing
