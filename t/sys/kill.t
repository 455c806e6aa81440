#!/bin/bash
# SIGKILL for each role in turn: the daemon stays up, says what died, and only what hung on the dead one is harmed.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[server one]
restart = on-failure
[server two]
restart = never
EOF
rig_up --ini "$SCRATCH/more.ini"
for s in one two three; do put_run $s <"$HERE/t/payload/echo"; started $s >/dev/null 2>&1; done
is "$(field one state) $(field two state) $(field three state)" "running running running" "three servers run"
three=$(field three pid)
head -c 20M /dev/urandom >"$SCRATCH/data"

# A witness: bob's SFTP connection, open all the while, asked now and then.
mkfifo "$SCRATCH/ask"
"${SFTP[@]}" -b - bob <"$SCRATCH/ask" >"$SCRATCH/witness" 2>&1 & witness=$!
exec 7>"$SCRATCH/ask"
cleanup kill $witness
asked=0
bob_is_fine() {
    asked=$((asked + 1))
    { echo "-ls /three/../three/run"; echo "!echo answer $asked"; } >&7 2>/dev/null
    wait_until 10 grep -q "answer $asked" "$SCRATCH/witness" && alive $witness && ! grep -qi 'couldn.t\|failure\|closed' "$SCRATCH/witness"
}
ok "bob's connection stands" bob_is_fine
serve() { is "$(field three pid)" "$three" "$1: bob's server runs on"; ok "$1: bob's connection stands" bob_is_fine; ok "$1: the daemon is up" daemon_up; }
says() { ok "the log says that $1 died" wait_until 5 logged "holdfastd.*(session|files|worker|store|shim|server|archive|backup|child).*($2|signal)"; }
# The newest process of a role, for victims that come last.
newest() { role_pids "$1" | sort -n | tail -n 1; }
# Uploads slowly from an address of its own, so that penalties hit nobody else.
slowly() { timeout 60 sftp -F "$SSH_CONFIG" -o BindAddress="$1" -l 8000 -b <(printf 'put %s %s\n' "$SCRATCH/data" "$2") alice >/dev/null 2>&1; }

# --- session ------------------------------------------------------------------------------------------------------------------------------

before=$(role_pids session)
slowly 127.0.7.1 /one/data & client=$!
grown() { [ "$(role_pids session | wc -l)" -gt "$(wc -w <<<"$before")" ] && [ "$(role_pids files | wc -l)" -ge 2 ]; }
wait_until 10 grown; sleep 0.5
victim=$(comm -13 <(sort <<<"$before") <(role_pids session | sort) | head -n 1)
kill -KILL "$victim"
wait $client
isnt $? 0 "killing a session ends its client"
says "the session" session
one_less() { [ "$(role_pids session | wc -l)" -le "$(wc -w <<<"$before")" ]; }
ok "its files worker goes with it" wait_until 10 one_less
serve session
exits 0 "an admin's kill is not held against its source" hf_from 127.0.7.1 alice true
before=$(role_pids session)
slowly 127.0.7.9 /one/data & client=$!
wait_until 10 grown; sleep 0.5
kill -SEGV "$(comm -13 <(sort <<<"$before") <(role_pids session | sort) | head -n 1)"
wait $client
isnt $? 0 "a crash ends its client, too"
exits 255 "and its source is refused for a while" hf_from 127.0.7.9 alice true
serve crash

# --- files ----------------------------------------------------------------------------------------------------------------------------------

workers=$(role_pids files)
slowly 127.0.7.2 /one/data2 & client=$!
grown() { [ "$(role_pids files | wc -l)" -gt "$(wc -w <<<"$workers")" ]; }
wait_until 10 grown; sleep 0.3
victim=$(comm -13 <(sort <<<"$workers") <(role_pids files | sort) | head -n 1)
kill -KILL "$victim"
wait $client
isnt $? 0 "killing a files worker fails its transfer"
ok "the log says so" wait_until 5 logged 'files'
serve files
ok "the next transfer works" batch alice <<<"put $SCRATCH/data /one/data3"
batch alice <<<"-rm /one/data
-rm /one/data2
-rm /one/data3" >/dev/null 2>&1
for i in 1 2 3; do
    slowly 127.0.7.3 /two/leak & client=$!
    wait_until 10 grown; sleep 0.3
    victim=$(comm -13 <(sort <<<"$workers") <(role_pids files | sort) | head -n 1)
    kill -KILL $victim 2>/dev/null; wait $client
done
batch alice <<<"-rm /two/leak" >/dev/null 2>&1
head -c 54M /dev/zero >"$SCRATCH/most"
ok "54 MiB of 64 still fit after three dead workers" batch alice <<<"put $SCRATCH/most /two/most"
batch alice <<<"rm /two/most" >/dev/null 2>&1

# --- store ----------------------------------------------------------------------------------------------------------------------------------

victim=$(store_pid)
kill -KILL "$victim"
ok "the log says that the store died" wait_until 5 logged 'store'
again() { [ -n "$(store_pid)" ] && [ "$(store_pid)" != "$victim" ]; }
ok "a new one is started" wait_until 15 again
works() { hf alice whoami; }
ok "logins work again" wait_until 15 works
is "$(field three pid)" "$three" "no server was harmed"
ok "the daemon is up" daemon_up
ok "store: bob's connection stands" bob_is_fine
alive $witness || {
    exec 7>&-; wait $witness; unset 'tap_stack[-1]'
    "${SFTP[@]}" -b - bob <"$SCRATCH/ask" >"$SCRATCH/witness" 2>&1 & witness=$!
    exec 7>"$SCRATCH/ask"
    cleanup kill $witness
}
: >"$SCRATCH/witness"

# --- init, shim, the server's own process --------------------------------------------------------------------------------------------------------

one=$(field one pid)
kill -KILL "$one"
other() { p=$(field one pid); [ -n "$p" ] && [ "$p" != 0 ] && [ "$p" != "$one" ] && state_is one running; }
ok "killed init: the server is started again (restart = on-failure)" wait_until 20 other
serve init
two=$(field two pid)
kill -KILL "$two"
down() { state_is two failed || state_is two offline; }
ok "with restart = never it stays down" wait_until 10 down
is "$(field two signal)" 9 "and its status names the signal"
started two >/dev/null 2>&1
two=$(field two pid)
shim=$(awk '$1 == "PPid:" { print $2 }' "/proc/$two/status")
like "$(readlink "/proc/$shim/exe")" 'holdfast-shim' "init's parent is the shim"
kill -KILL "$shim"
gone() { ! alive "$two"; }
ok "killed shim: its server ends with it" wait_until 10 gone
ok "and is known to be down" wait_until 10 down
serve shim
exits 0 "it can be started again" hf alice start two --wait --timeout 20

# --- archive, launch ----------------------------------------------------------------------------------------------------------------------------

head -c 45M /dev/urandom >"$SCRATCH/much"
put alice "$SCRATCH/much" /one/much >/dev/null
hit=no
for i in 1 2 3 4 5; do
    hf alice backup create one >/dev/null 2>"$SCRATCH/backup" & client=$!
    if timeout 10 python3 "$HERE/t/lib/strike.py" "$PREFIX" holdfast-archive; then
        wait $client; code=$?
        hit=yes
        break
    fi
    wait $client
done
if [ $hit = yes ]; then
    is "$code" 1 "killed archive: the backup fails"
    isnt "$(<"$SCRATCH/backup")" "" "and says so: $(head -c 100 "$SCRATCH/backup")"
    states=$(hf alice backup list one --json | python3 -c 'import json,sys; print(*[json.loads(l)["state"] + ":" + str(json.loads(l)["size"]) for l in sys.stdin])')
    diag "backups now: $states"
    for b in $(hf alice backup list one --json | python3 -c '
import json, sys
for l in sys.stdin:
    b = json.loads(l)
    if b["state"] in ("done", "complete", "ready", "ok"): print(b["id"])'); do
        hf alice backup get one "$b" 2>/dev/null | zstd -tq - || fail "backup $b is said to be good and is not"
    done
    serve archive
    exits 0 "the next backup works" hf alice backup create one
else
    skip "killed archive" "it was never seen in time"
fi
hit=no
for i in $(seq 12); do
    hf alice kill two --wait --timeout 10 >/dev/null 2>&1
    timeout 10 python3 "$HERE/t/lib/strike.py" "$PREFIX" holdfast-launch & striker=$!
    sleep 0.2
    hf alice start two --wait --timeout 20 >/dev/null 2>"$SCRATCH/start"; code=$?
    if [ $code != 0 ]; then kill $striker 2>/dev/null; wait $striker 2>/dev/null; hit=yes; break; fi
    kill $striker 2>/dev/null; wait $striker 2>/dev/null
done
if [ $hit = yes ]; then
    pass "killed launch: start fails with $code: $(head -c 120 "$SCRATCH/start")"
    serve launch
    exits 0 "the next start works" hf alice start two --wait --timeout 20
else
    skip "killed launch" "never hit before it was done"
fi

# --- the daemon ------------------------------------------------------------------------------------------------------------------------------------

exec 7>&-; kill $witness 2>/dev/null; wait $witness 2>/dev/null; unset 'tap_stack[-1]'
one=$(field one pid)
for i in 1 2; do
    kill -KILL "$SERVER_PID"
    gone() { ! alive "$SERVER_PID"; }
    wait_until 5 gone
    ok "killed daemon ($i): bob's server runs on" alive "$three"
    ok "so does alice's" alive "$one"
    text=$("$HERE/t/rig" start "$PREFIX" 2>&1) || diag "$text"
    eval "$(grep '^SERVER_PID=' <<<"$text")"
    is "$(field three pid) $(field three state)" "$three running" "the next daemon finds it"
    orphans() { for r in store session files; do for p in $(role_pids $r); do [ "$(awk '$1 == "PPid:" { print $2 }' "/proc/$p/status")" != 1 ] || echo "$p $r"; done; done; }
    no_orphans() { [ -z "$(orphans)" ]; }
    ok "no role of the dead daemon is left" wait_until 5 no_orphans
done
hf bob send three "still there?" >/dev/null
heard() { hf bob logs three -n 20 | grep -q 'heard: still there?'; }
ok "its console works" wait_until 5 heard
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
