#!/bin/bash
# A storm of a minute (TORTURE_SECONDS): strangers with garbage and in crowds, clients that work, that stop reading and that vanish, reloads
# all the while, and each role killed at random.  Afterwards the daemon is the same, works, and has nothing more than before.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
SECONDS_LONG=${TORTURE_SECONDS:-60}
cat >"$SCRATCH/more.ini" <<'E3'
[server one]
restart = always
stop_timeout = 2s
[server two]
restart = on-failure
stop_timeout = 2s
E3
rig_up --ini "$SCRATCH/more.ini"
daemon=$SERVER_PID
for s in one two three; do put_run $s <"$HERE/t/payload/echo"; done
started three >/dev/null 2>&1
three=$(field three pid)
S=$CONFIG/servers.d/rig.ini
fds() { ls "/proc/$1/fd" 2>/dev/null | wc -l; }
store_pid() { for p in $(role_pids store); do awk -v d="$daemon" -v p="$p" '$1 == "PPid:" && $2 == d { print p }' "/proc/$p/status"; done; }
quiet() { [ -z "$(role_pids session)$(role_pids files)$(role_pids archive)$(role_pids launch)" ]; }
hf alice true >/dev/null 2>&1
hf alice start one --wait >/dev/null 2>&1; stopped one >/dev/null 2>&1
batch alice <<<"ls /one
ls /two" >/dev/null 2>&1
wait_until 10 quiet
d=$(fds "$daemon") s=$(fds "$(store_pid)") m=$(grep -c "$PREFIX" /proc/self/mountinfo)
rss=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$daemon/status")
l=$(losetup -a | grep -cF "$PREFIX/")

# --- the storm ------------------------------------------------------------------------------------------------------------------------------------

until_=$(($(date +%s) + SECONDS_LONG))
on() { [ "$(date +%s)" -lt $until_ ] && alive "$daemon"; }
head -c 3M /dev/urandom >"$SCRATCH/data"
# Everybody comes from an address of its own each time, as crashes are held against addresses.
from() { echo "127.0.$1.$((RANDOM % 254 + 1))"; }
worker() {
    local verbs=(start stop restart kill "start --wait --timeout 5" "restart --wait --timeout 5" status quota "logs -n 50" "backup create" "backup list" whoami)
    while on; do
        timeout 20 "${SSH[@]}" -b "$(from "$1")" alice ${verbs[RANDOM % ${#verbs[@]}]} "$2"
    done
}
mover() {
    while on; do
        timeout 20 sftp -F "$SSH_CONFIG" -o BindAddress="$(from "$1")" -b - alice <<<"put $SCRATCH/data /one/data
rename /one/data /one/data$1
get /one/data$1 $SCRATCH/back$1
-rm /one/data$1
ls -la /two"
    done
}
# Asks for much and reads none of it, then is gone without a word.
stalled() {
    while on; do
        timeout 20 "${SSH[@]}" -b "$(from "$1")" alice console one >/dev/null 2>&1 < <(sleep 3) & local a=$!
        timeout 20 sftp -F "$SSH_CONFIG" -o BindAddress="$(from "$1")" -b - alice <<<"get /one/data* $SCRATCH/stalled" & local b=$!
        sleep 0.4
        pkill -STOP -P $a; pkill -STOP -P $b
        sleep 1.5
        pkill -KILL -P $a; pkill -KILL -P $b; kill $a $b
        wait $a $b
    done
}
reloads() {
    cp "$S" "$SCRATCH/S"
    while on; do
        awk '{ print } $0 == "[server one]" { print "allow = bob: console status files.read" }' "$SCRATCH/S" >"$S"
        timeout 20 "$TOOL" --run "$RUN" reload
        cat "$SCRATCH/S" >"$S"
        timeout 20 "$TOOL" --run "$RUN" reload
        kill -HUP "$daemon"
        echo "nonsense" >>"$S"; timeout 20 "$TOOL" --run "$RUN" reload; cat "$SCRATCH/S" >"$S"
        timeout 20 "$TOOL" --run "$RUN" status; timeout 20 "$TOOL" --run "$RUN" sessions
        sleep 0.2
    done
}
pids=()
{ worker 61 one & pids+=($!); worker 62 two & pids+=($!); mover 63 & pids+=($!); mover 64 & pids+=($!); stalled 65 & pids+=($!)
  reloads & pids+=($!); } >"$SCRATCH/noise" 2>&1
python3 "$HERE/t/lib/storm.py" "$HOST" "$PORT" "$SECONDS_LONG" 66 >"$SCRATCH/storm" 2>&1 & pids+=($!)
python3 "$HERE/t/lib/killer.py" "$PREFIX" "$SECONDS_LONG" "$daemon" "$three" "$(awk '$1 == "PPid:" { print $2 }' "/proc/$three/status")" \
    >"$SCRATCH/killed" 2>&1 & pids+=($!)
wait "${pids[@]}" 2>/dev/null
diag "killed: $(<"$SCRATCH/killed")"
diag "strangers: $(<"$SCRATCH/storm")"
diag "sessions: $(grep -c 'session.new' "$LOG"), logins: $(grep -c ' Accepted ' "$LOG"), reloads: $(grep -c ' reload ' "$LOG"), deaths: $(grep -c 'role.died' "$LOG")"
atleast "$(grep -c ' Accepted ' "$LOG")" 20 "logins got through"

# --- and after ------------------------------------------------------------------------------------------------------------------------------------

ok "the daemon is the same" alive "$daemon"
alive "$daemon" || bail "no daemon to look at"
works() { hf_from 127.0.67.1 alice true; }
ok "it works" wait_until 40 works
is "$(hf_from 127.0.67.2 bob status three --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')" "$three" "bob's server has run all the while"
cat "$SCRATCH/S" >"$S"
ok "a reload works" timeout 20 "$TOOL" --run "$RUN" reload
for v in one two; do hf_from 127.0.67.3 alice kill $v --wait --timeout 20 >/dev/null 2>&1; done
ok "no session, worker, archive or launch stays" wait_until 30 quiet
settled() { [ "$(role_pids shim | wc -l)" = 1 ]; }
ok "no shim but bob's" wait_until 20 settled
fewer() { [ "$(fds "$daemon")" -le $((d + 2)) ]; }
wait_until 10 fewer
atmost "$(fds "$daemon")" $((d + 2)) "the daemon has no more descriptors than before"
atmost "$(fds "$(store_pid)")" $((s + 2)) "nor has the store"
is "$(grep -c "$PREFIX" /proc/self/mountinfo)" "$m" "nor the host more mounts"
is "$(losetup -a | grep -cF "$PREFIX/")" "$l" "nor more loop devices"
is "$(ip -4 -o addr | grep -c " 10.213.$SLICE.")" 1 "nor more interfaces than bob's"
zombies() { for f in /proc/[0-9]*/status; do awk -v d="$daemon" '$1 == "State:" { z = $2 == "Z" } $1 == "PPid:" && $2 == d && z { print }' "$f" 2>/dev/null; done | wc -l; }
is "$(zombies)" 0 "no zombie"
if grep -q __asan "$DAEMON"; then skip "memory" "the sanitizers keep what was freed"; else
    atmost "$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$daemon/status")" $((rss + 2048)) "and no more memory (KiB)"
fi
for v in one two; do ok "$v starts" hf_from 127.0.67.4 alice start $v --wait --timeout 20; done
nok "no invariant broke" grep -qE 'invariant|[^e]bug:|broke a rule' "$LOG"
# A SEGV that was sent is not one that was made.
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer: [^S]|runtime error|LeakSanitizer' "$LOG"
done_testing
