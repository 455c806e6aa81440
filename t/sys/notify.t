#!/bin/bash
# ready = notify: what a server says on its notify socket is heard, from real programs and from hostile ones, and nobody else can say it.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need redis-server redis-cli systemd-notify
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
ready = notify
stop_timeout = 3s
restart = never
[server two]
ready = notify
watchdog = 1s
stop_timeout = 3s
restart = on-failure
restart_tries = 2
E2
rig_up --ini "$SCRATCH/more.ini"
put_run() {
    cat >"$TAP_TMP/run.$1"; chmod 0755 "$TAP_TMP/run.$1"
    printf -- '-rm "/%s/run"\nput -p "%s" "/%s/run"\n' "$1" "$TAP_TMP/run.$1" "$1" | batch "$(owner_of "$1")" >/dev/null 2>&1
}
becomes() { wait_until "${3:-20}" state_is "$1" "$2"; }

# --- a real program -------------------------------------------------------------------------------------------------------------------------------

put_run one <<<$'#!/bin/sh\nexec redis-server --supervised systemd --port 31001 --save "" --dir /home/server --protected-mode no'
exits 0 "redis-server says when it is ready" hf alice start one --wait --timeout 30
is "$(field one state) $(field one ready)" "running true" "and is"
says() { [ "$(field one status)" = "$1" ]; }
ok "its status text is shown" wait_until 5 says "Ready to accept connections"
like "$(hf alice status one)" "says: Ready to accept connections" "in the table, too"
is "$(timeout 5 redis-cli -h "$(address one)" -p 31001 ping)" PONG "it does accept connections"
hf alice stop one --wait --timeout 20 >/dev/null
is "$(field one state) $(field one exit_code) $(field one status)" "offline 0 " "stopped, it says nothing any more"

put_run one <<<$'#!/bin/bash\nsleep 1.5\nsystemd-notify --status="half way" || echo "notify failed: $?"\nsystemd-notify --ready || echo "notify failed: $?"\necho said so\nsleep 100'
begin=$(now_us)
exits 0 "systemd-notify" hf alice start one --wait --timeout 30
atleast $((($(now_us) - begin) / 1000)) 1400 "not before it has said so (ms)"
hf alice logs one -n 3 | grep -q "said so"; sleep 0.3
unlike "$(hf alice logs one -n 5)" "notify failed" "its barrier does not hold it up"
ok "with a status" wait_until 5 says "half way"
killed one >/dev/null

# --- what it says while it ends, and when it says nothing -----------------------------------------------------------------------------------------------

put_run one <<<$'#!/bin/sh\necho not a word; sleep 100'
run hf alice start one --wait --timeout 2
is "$rc" 75 "one that never says so: its time is over"
like "$err" "one is still starting" "which is told"
like "$err" "\| not a word" "with its last lines"
is "$(field one state) $(field one ready)" "starting false" "it goes on starting"
killed one >/dev/null
put_run one <<<$'#!/bin/bash\ntrap "" TERM; trap \'systemd-notify STOPPING=1 "STATUS=saving the world"; sleep 30\' USR1\nsystemd-notify --ready; kill -USR1 $$; wait'
hf alice start one --wait --timeout 20 >/dev/null
ok "STOPPING=1 shows as stopping" becomes one stopping
ok "with its word" wait_until 5 says "saving the world"
exits 0 "it can be stopped all the same" hf alice stop one --wait --timeout 20
is "$(field one reason)" "stopped by alice, and killed as it had not ended after 3s" "out of time"

# --- the watchdog -----------------------------------------------------------------------------------------------------------------------------------------

put_run two <<<$'#!/bin/bash\necho "usec=$WATCHDOG_USEC socket=$NOTIFY_SOCKET"; systemd-notify --ready\nfor i in 1 2 3 4 5 6 7 8; do sleep 0.3; systemd-notify WATCHDOG=1; done; sleep 100'
exits 0 "with a watchdog" hf alice start two --wait --timeout 20
sleep 0.3
like "$(hf alice logs two -n 5)" "usec=1000000 socket=/run/holdfast-notify" "it knows how often"
timeout 20 "$TOOL" --run "$RUN" server freeze two
sleep 2.2
is "$(field two state) $(field two restarts)" "frozen 0" "frozen it need not give any"
timeout 20 "$TOOL" --run "$RUN" server thaw two
sleep 1
is "$(field two restarts)" 0 "nor must it be late for that"
again() { [ "$(field two restarts)" = 1 ]; }
ok "without a sign of life it is killed, and started again" wait_until 15 again
ok "the log says why" logged 'server=two state=restarting reason="killed, as it gave no sign of life for 1s"'
killed two >/dev/null

# --- who may speak there, and what it can do ------------------------------------------------------------------------------------------------------------------

put_run one <"$HERE/t/payload/echo"
hf alice start one >/dev/null
attack() { # a line of python: s is a socket, a the address
    printf 'import array, os, socket, sys\na = "/run/holdfast-notify"\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ntry:\n    %s\n    print("it worked")\nexcept OSError as e:\n    print("refused:", e)\n' \
        "$1" >"$SCRATCH/a.py"
    as_server one sh -c 'cat >a.py' <"$SCRATCH/a.py"
    hf alice send --expect "'refused.*|it worked'" --timeout 20 one "sh python3 a.py" 2>&1
}
wait_until 5 state_is one starting
like "$(attack 'os.unlink(a)')" "refused.*not permitted" "it cannot remove its socket"
like "$(attack 'os.rename(a, "/run/x")')" "refused.*not permitted" "nor rename it"
like "$(attack 's.bind(a)')" "refused.*in use" "nor bind another there"
like "$(attack 'os.chmod(a, 0)')" "refused.*not permitted" "nor shut it"
like "$(attack 'os.chown(a, 1000, 1000)')" "refused.*not permitted" "nor take it"
like "$(attack 's.connect(a); s.send(b"x" * 100000)')" "worked|too long" "a message without end"
like "$(attack 's.connect(a); [s.send(bytes([i % 256]) * (i % 4000)) for i in range(90)]')" "worked" "garbage"
like "$(attack 's.connect(a); s.send(b"STATUS=" + bytes(i for i in range(256) if i != 10))')" "worked" "every byte there is"
text_ok() { hf alice status one --json | python3 -c 'import json,sys; t=json.load(sys.stdin)["status"]; sys.exit(0 if t and all(" " <= c <= "~" for c in t) and len(t) <= 160 else 1)'; }
ok "shows in printable characters, cut" wait_until 5 text_ok
is "$(field one state) $(field one ready)" "starting false" "and makes nobody ready"
put_run three <<<$'#!/bin/bash\nls -la /run; [ -e /run/holdfast-notify ] || echo "no socket here"; echo "[$NOTIFY_SOCKET]"; sleep 100'
hf bob start three --wait --timeout 20 >/dev/null 2>&1; sleep 0.3
like "$(hf bob logs three -n 10)" "no socket here.*\[\]" "a server that does not ask for one has none, nor the other's"
out=$(find "$RUN" "$PREFIX/state" -name '*notify*' 2>/dev/null)
is "$out" "" "on the host it has no name"
like "$(attack 's.connect(a); [s.sendmsg([b"FDSTORE=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))]) for i in range(20)]')" "worked" "thousands of descriptors"
like "$(attack 's.connect(a); s.sendmsg([b"READY=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])')" "worked" "READY=1 with a descriptor"
fds=$(for p in $(role_pids shim); do ls "/proc/$p/fd" | wc -l; done | sort -n | tail -n 1)
atmost "$fds" 25 "the shims keep no descriptors that they were sent"
ok "counts" becomes one running
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
