#!/bin/bash
# A daemon that speaks a higher number than the shims that run: all live on and are steered.  Shims of a number that it does not know are left
# alone, and whoever is no shim at all is named.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
B=${BUILD:-$HERE/build}
for p in shim-1 shim-9; do [ -x "$B/t/lib/$p" ] || { echo "1..0 # SKIP no t/lib/$p in $B: 'make check' builds it"; exit 0; }; done
TEN=$(seq -f 't%.0f' 10 | tr '\n' ' ')
for s in $TEN nine; do
    printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 16M\nnetwork = none\nstop = line:exit 0\nstop_timeout = 3s\nready = line:up as\n' "$s"
done >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
admin() { timeout 60 "$TOOL" --run "$RUN" server "$@"; }
{ for s in $TEN nine; do printf -- 'put -p "%s" "/%s/run"\n' "$HERE/t/payload/echo" "$s"; done; } | batch alice >/dev/null
become() { install -m 0755 "$1" "$PREFIX/libexec/new" && mv "$PREFIX/libexec/new" "$PREFIX/libexec/holdfast-shim"; }
kill_daemon() { kill -KILL "$SERVER_PID"; local p=$SERVER_PID; gone() { ! alive "$p"; }; wait_until 5 gone; }
new_daemon() { eval "$("$HERE/t/rig" start "$PREFIX" | grep SERVER_PID=)"; export SERVER_PID; }
statuses() { hf alice status --json 2>/dev/null | python3 -c '
import json, sys
rows = {r["server"]: r for r in map(json.loads, sys.stdin)}
print(" ".join(str(rows[s][k]) for s in sys.argv[2:] for k in sys.argv[1].split(",")))' "$@"; }
versions() { for s in $TEN; do admin show "$s" | sed -n 's/^shim version //p'; done | sort | uniq -c | tr -s ' '; }

# --- ten of version 1 -----------------------------------------------------------------------------------------------------------------------------

become "$B/t/lib/shim-1"
for s in $TEN; do hf alice start "$s" --wait --timeout 30 >/dev/null 2>&1 & done; wait
# shellcheck disable=SC2086
before=$(statuses pid $TEN)
shims=$(role_pids shim | sort)
is "$(wc -w <<<"$shims")" 10 "ten shims of version 1"
kill_daemon
become "$B/holdfast-shim"
begin=$(now_us)
new_daemon
found() { [ "$(grep -c 'server.adopted' "$LOG")" -ge 10 ]; }
ok "the new daemon finds ten" wait_until 10 found
diag "up again, with all found, after $((($(now_us) - begin) / 1000)) ms"
# shellcheck disable=SC2086
is "$(statuses pid $TEN)" "$before" "the same processes"
is "$(role_pids shim | sort)" "$shims" "held by the same shims"
is "$(versions)" " 10 1" "with which version 1 is spoken"
# shellcheck disable=SC2086
is "$(statuses state,ready $TEN | tr ' ' '\n' | sort | uniq -c | tr -s ' \n' ' ')" " 10 True 10 running " "running and ready"
bad=0
for s in $TEN; do
    hf alice send --expect "'heard: hello $s'" --timeout 10 "$s" "hello $s" >/dev/null 2>&1 || bad=$((bad + 1))
    hf alice logs "$s" -n 5 | grep -q "heard: hello $s" || bad=$((bad + 1))
done
is $bad 0 "console and logs of each work"
{ echo "one more line"; sleep 2; } | hf alice console t3 >"$SCRATCH/console" 2>&1
like "$(<"$SCRATCH/console")" "heard: one more line" "and being attached"
hf alice stop t1 --wait --timeout 20 >/dev/null
is "$(statuses state,exit_code,reason t1)" "offline 0 stopped by alice" "one is stopped, in its own way"
hf alice send --expect "'deaf now'" --timeout 10 t2 deaf >/dev/null 2>&1
hf alice kill t2 --wait --timeout 20 >/dev/null
is "$(statuses state,signal,reason t2)" "offline 9 killed by alice" "one is killed"
hf alice restart t3 --wait --timeout 20 >/dev/null
is "$(statuses state t3) $(admin show t3 | sed -n 's/^shim version //p')" "running 3" "one is restarted, and has a shim of this version then"
hf alice send t4 "exit 3" >/dev/null 2>&1
back() { [ "$(statuses state,restarts t4)" = "running 1" ]; }
ok "one that crashes comes back" wait_until 20 back
# One ends while no daemon is there.
five=$(statuses pid t5)
kill_daemon
kill -KILL "$five"
new_daemon
back() { [ "$(statuses state,restarts t5)" = "running 1" ]; }
ok "the end of one that nobody saw is known from its shim" wait_until 20 back

# --- one of version 9 --------------------------------------------------------------------------------------------------------------------------------

become "$B/t/lib/shim-9"
hf alice start nine --wait --timeout 20 >/dev/null 2>&1
nine=$(statuses pid nine)
kill_daemon
become "$B/holdfast-shim"
new_daemon
named() { logged 'shim.foreign server=nine pid='"$nine"' action=none why="its shim speaks version 9'; }
ok "one of an unknown version is named" wait_until 10 named
is "$(statuses state,pid,ready nine)" "running $nine False" "and left alone"
ok "it lives" alive "$nine"
like "$(statuses reason nine)" "^its shim speaks version 9, this daemon 3 at most" "status says why"
run hf alice stop nine
is "$rc" 3 "it cannot be asked to stop"
like "$err" "version 9" "and why"
exits 3 "nor be restarted" hf alice restart nine
ok "it lives on" alive "$nine"
kill_daemon; new_daemon
ok "beyond one more daemon" alive "$nine"
exits 0 "but killed it can be" hf alice kill nine --wait --timeout 20
is "$(statuses state,reason nine)" "offline killed by alice" "and is offline then"
nok "its processes are gone" alive "$nine"
exits 0 "and it can be started" hf alice start nine --wait --timeout 20
nine=$(statuses pid nine)
kill_daemon; become "$B/t/lib/shim-9"; new_daemon
hf alice restart nine --wait --timeout 20 >/dev/null
nine=$(statuses pid nine)
kill_daemon; become "$B/holdfast-shim"; new_daemon
kill -KILL "$nine"
fresh() { p=$(statuses pid nine); [ "$p" != None ] && [ "$p" != "$nine" ]; }
ok "when it ends by itself, that is seen, and it is started as configured" wait_until 20 fresh

# --- somebody else at the door -----------------------------------------------------------------------------------------------------------------------------

six=$(statuses pid t6)
kill_daemon
mv "$RUN/shims/t6.sock" "$SCRATCH/t6.sock"
python3 - "$RUN/shims/t6.sock" "$six" <<'E3' &
import os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
os.setgid(65534); os.setuid(65534)
s.listen(4)
s.settimeout(20)
try:
    c, _ = s.accept()
    kind, zero, nfds, ident = struct.unpack(">HBBI", c.recv(65536)[:8])
    u32 = lambda v: b"\x01" + struct.pack(">I", v)
    text = b"\x03" + struct.pack(">I", 0)
    c.send(struct.pack(">HBBI", 0x0522, 0, 0, ident) + u32(2) + u32(int(sys.argv[2])) + b"\x02" + struct.pack(">Q", 0) + u32(1) + 5 * u32(0) + text + text + u32(0))
    c.settimeout(20)
    while c.recv(65536): pass
except OSError: pass
E3
stranger=$!
there() { [ -S "$RUN/shims/t6.sock" ]; }
wait_until 5 there
new_daemon
named() { logged 'shim.foreign server=t6 .*whoever listens in place of its shim is uid 65534'; }
ok "who is no shim is found out by its uid" wait_until 10 named
ok "and the server runs on" alive "$six"
is "$(statuses ready t6)" False "what it said is not believed"
exits 0 "it can be killed" hf alice kill t6 --wait --timeout 20
kill $stranger 2>/dev/null; wait $stranger 2>/dev/null
# Its own shim was hidden from us: nobody will come for it.
for p in $(role_pids shim); do grep -qz '^t6$' "/proc/$p/cmdline" && kill -KILL "$p"; done
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
