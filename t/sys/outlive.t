#!/bin/bash
# Who outlives whom: sessions that end before what they ordered, a store that dies under orders, servers that leave and come back while
# their disk moves, sources that are forgotten before their sessions end.  Worth a run with the sanitizers as well.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
ready = line:never said
stop_timeout = 1s
[server two]
autostart = yes
E2
rig_up --ini "$SCRATCH/more.ini"
daemon=$SERVER_PID
put_run one <"$HERE/t/payload/echo"
put_run two <"$HERE/t/payload/echo"
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
S=$CONFIG/servers.d/rig.ini
same_daemon() { alive "$daemon"; }
new_store() { [ -n "$(role_pids store)" ] && [ "$(role_pids store | tr '\n' ' ')" != "$store" ] && hf alice true; }
stores() { role_pids store | tr '\n' ' '; }
# The store proper: the supervisor's child (its password helper is the other one).
store_pid() { for p in $(role_pids store); do awk -v d="$daemon" -v p="$p" '$1 == "PPid:" && $2 == d { print p }' "/proc/$p/status"; done; }
kill_store() { store=$(stores); kill -KILL "$(store_pid)"; wait_until 20 new_store; }

# --- a session that crashes when its source is long forgotten ----------------------------------------------------------------------------------

hf alice start one >/dev/null 2>&1
sleep 40 | "${SSH[@]}" -b 127.0.11.1 alice console one >/dev/null 2>&1 & client=$!
watching() { [ "$(role_pids session | wc -l)" -ge 1 ] && logged 'viewer server=one'; }
wait_until 10 watching; sleep 0.5
for i in 3 4 5 6; do hf_from 127.0.11.$i alice true >/dev/null 2>&1; done
for p in $(role_pids session); do kill -SEGV "$p"; done
sessions_over() { [ -z "$(role_pids session)" ]; }
wait_until 10 sessions_over
sleep 0.5
ok "a crash after the login, the source forgotten: the daemon is up" same_daemon
exits 255 "and the source is refused for it" hf_from 127.0.11.1 alice true
kill $client 2>/dev/null; wait $client 2>/dev/null

# --- orders of sessions that have gone -----------------------------------------------------------------------------------------------------------

hf alice kill one --wait >/dev/null 2>&1
timeout 3 "${SSH[@]}" alice start one --wait --timeout 3600 >/dev/null 2>&1
ok "an order that waits ends with its session" wait_until 5 logged 'order.dropped .*orders=1'

# --- orders that the store which gave them does not live to see done ----------------------------------------------------------------------------

"${SSH[@]}" alice restart one --wait --timeout 600 >/dev/null 2>&1 & client=$!
sleep 3
kill_store
begin=$(now_us)
wait $client
is $? 75 "who waits is told to try again"
atmost $((($(now_us) - begin) / 1000000)) 10 "at once (s)"
store=$(store_pid)
exits 0 "kill what was waited for" hf alice kill one --wait --timeout 20
sleep 1
is "$(store_pid)" "$store" "the result of an order of the store before it does not reach the new store"

# --- a stranger who comes in the moment when the store dies ---------------------------------------------------------------------------------------

for i in 1 2 3; do
    store=$(stores)
    kill -STOP "$daemon"
    kill -KILL "$(store_pid)"
    sleep 0.1
    exec 5<>"/dev/tcp/$HOST/$PORT"
    sleep 0.1
    kill -CONT "$daemon"
    wait_until 15 new_store
    exec 5>&-
done
ok "strangers while the store dies: the daemon is up" same_daemon
same_daemon || bail "no daemon to go on with"

# --- the store's death is nothing to the servers ---------------------------------------------------------------------------------------------------

hf alice start two --wait --timeout 20 >/dev/null 2>&1
exits 0 "stop a server that has autostart" stopped two
kill_store
sleep 1
is "$(field two state)" offline "what was stopped stays so when the store is started anew"

# --- leaving the configuration and coming back ------------------------------------------------------------------------------------------------------

cp "$S" "$SCRATCH/S"
without() { awk '/^\[/ { skip = $0 == "[server two]" } !skip' "$SCRATCH/S" >"$S"; }
with() { cat "$SCRATCH/S" >"$S"; }
bad=0
for i in $(seq 10); do
    without; reload >/dev/null || bad=$((bad + 1))
    with; reload >/dev/null || bad=$((bad + 1))
    batch alice <<<"ls /two/run" >/dev/null 2>&1 || bad=$((bad + 1))
done
is $bad 0 "a server that leaves and comes back has its files, however fast"
exits 0 "and runs" hf alice start two --wait --timeout 20
stopped two >/dev/null 2>&1
mounted() { grep -q "$PREFIX/state/servers/two " /proc/self/mountinfo; }
unmounted() { ! mounted; }
without; reload >/dev/null
ok "its disk is unmounted" wait_until 10 unmounted
for i in 1 2 3 4 5; do
    with; reload >/dev/null
    "${SSH[@]}" alice quota two >/dev/null 2>&1 & client=$!
    wait_until 5 logged "quota two"
    without; reload >/dev/null
    wait $client
done
ok "also when it was on its way up" wait_until 10 unmounted
with; reload >/dev/null
exits 0 "and comes up once more" hf alice quota two
ok "the same daemon to the end" same_daemon
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
