#!/bin/bash
# An account with as many servers as it may have: no answer about all of them is too large for anybody on its way.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
N=500
rig_up
S=$CONFIG/servers.d/rig.ini
cp "$S" "$SCRATCH/S"
for i in $(seq $N); do
    printf '[server a-server-with-quite-a-name-%d]\nowner = alice\ncommand = ./run\ndisk = 16M\nnetwork = none\n' "$i"
done >>"$S"
exits 0 "reload with $N servers more" timeout 60 "$TOOL" --run "$RUN" reload
exits 0 "status of all" hf alice status --json
is "$(wc -l <<<"$out")" $((N + 2)) "a line each"
is "$(sort -u <<<"$out" | wc -l)" $((N + 2)) "none twice"
exits 0 "the greeting" hf alice
atleast "$(grep -c a-server-with "$TAP_TMP/out")" $N "with all of them"
is "$(batch alice <<<"ls -1 /" 2>/dev/null | grep -c a-server-with)" $N "SFTP lists them"
exits 0 "the daemon's own status" timeout 20 "$TOOL" --run "$RUN" status
exits 0 "whoami" hf alice whoami --json
ok "the daemon is up" daemon_up
for i in $(seq 1001); do printf '[account other%d]\nkey = %s\n' "$i" "$(cat "$KEY2.pub")"; done >>"$CONFIG/accounts.d/rig.ini"
{ cat "$SCRATCH/S"; printf '[server more]\nowner = alice\ncommand = ./run\n'; for i in $(seq 1001); do echo "allow = other$i: console"; done; } >"$S"
exits 1 "more rights than a message holds are an error of the configuration" timeout 60 "$TOOL" --run "$RUN" reload
like "$out$err" '1001 lines of allow; allowed: 1000' "that says so"
cat "$SCRATCH/S" >"$S"
exits 0 "back to a few" timeout 60 "$TOOL" --run "$RUN" reload
ok "the daemon is up" daemon_up
# More accounts than a link holds messages.
sed -i '/^\[account other/,$d' "$CONFIG/accounts.d/rig.ini"
python3 -B "$HERE/t/bench/lib/crowd.py" "$CONFIG/accounts.d" 12000 15000
exits 0 "reload with 12,000 accounts" timeout 120 "$TOOL" --run "$RUN" reload
like "$out" '12000 accounts added' "takes all"
exits 0 "the configuration is checked" timeout 60 "$DAEMON" -c "$CONFIG" -t
exits 0 "one of the first logs in" hf alice true
printf '\n[account other]\nkey = %s\n' "$(cat "$KEY2.pub")" >>"$CONFIG/accounts.d/rig.ini"
exits 0 "reload with one more" timeout 120 "$TOOL" --run "$RUN" reload
like "$out" '^1 account added' "knows the others"
ok "the daemon is up" daemon_up
done_testing
