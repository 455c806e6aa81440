#!/bin/bash
# From inside a server: what it is, what it sees, and that nothing of the host can be reached.  (What of the world can be: t/sys/filter.t; this
# machine does not forward.)
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
export HOLDFAST_SECRET_OF_THE_TEST=visible
cat >"$SCRATCH/more.ini" <<'EOF'
[server one]
restart = never
environment = GREETING=hello there
[server none]
owner = alice
command = /usr/bin/python3 ./run
network = none
disk = 16M
EOF
rig_up --ini "$SCRATCH/more.ini"
# Something of the host's that would answer, on every address.
python3 -m http.server 0 --bind 0.0.0.0 -d "$SCRATCH" >"$SCRATCH/http" 2>&1 & http=$!
cleanup kill $http
wait_until 10 grep -q 'port ' "$SCRATCH/http" || wait_until 3 bash -c "ss -Hltnp | grep -q pid=$http,"
http_port=$(ss -Hltnp | sed -n "s/.*:\([0-9]*\) .*pid=$http,.*/\1/p" | head -n 1)
put_run two <"$HERE/t/payload/echo"
started two >/dev/null 2>&1
two=$(address two)
base=10.213.$SLICE
python3 - "$two" "$base" "$PORT" "${http_port:-80}" >"$SCRATCH/targets.json" <<'E2'
import json, sys
two, base, port, http = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print(json.dumps([["127.0.0.1", port], ["127.0.0.1", http], [two, 31002]] + [[f"{base}.{n}", port] for n in (1, 5, 9, 13)]))
E2
put alice "$SCRATCH/targets.json" /one/targets.json >/dev/null
put_run one <"$HERE/t/payload/probe"
exits 0 "start" hf alice start one --wait --timeout 30
has_report() { rm -f "$SCRATCH/report.json"; batch alice <<<"get /one/report.json $SCRATCH/report.json" >/dev/null 2>&1 && [ -s "$SCRATCH/report.json" ]; }
if ! wait_until 60 has_report; then
    hf alice logs one -n 40 | while read -r l; do diag "$l"; done
    bail "the probe wrote no report"
fi
for n in user pid mnt ipc uts net cgroup time; do readlink /proc/self/ns/$n; done >"$SCRATCH/ns"
python3 "$HERE/t/lib/probe_check.py" "$SCRATCH/report.json" "$SCRATCH/ns" "$PREFIX" "$SERVERS_UID" "$(hf alice status one --json)" >"$SCRATCH/results" 2>&1
is $? 0 "the report was read to its end"
import_results "$SCRATCH/results" ""

# --- from outside -------------------------------------------------------------------------------------------------------------------------

pid=$(field one pid)
uids=$(for p in $(pgrep -P "$pid"); do awk '$1 == "Uid:" { print $2 }' "/proc/$p/status"; done | sort -u)
atleast "${uids:-0}" "$SERVERS_UID" "its processes run under a uid of its range"
processes() { grep -lsE "^NSpid:.*[[:space:]]" /proc/[0-9]*/status | while read -r f; do
    [ "$(readlink "${f%status}ns/pid")" = "$pidns" ] && echo "$f"; done; }
pidns=$(readlink "/proc/$pid/ns/pid")
isnt "$pidns" "$(readlink /proc/self/ns/pid)" "it has a pid namespace"
atleast "$(processes | wc -l)" 3 "with several processes"
exits 0 "stop" hf alice stop one --wait --timeout 40
is "$(processes | wc -l)" 0 "all of them are gone, also the one that left its session"

# --- another's address; none at all -----------------------------------------------------------------------------------------------------------

answers() { timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
cat >"$SCRATCH/listen" <<'E2'
#!/usr/bin/python3
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", 31001)); s.listen()
print("listening", flush=True)
while True:
    c, a = s.accept(); c.sendall(b"hello from inside\n"); c.close()
E2
put_run one <"$SCRATCH/listen"
started one >/dev/null 2>&1
one=$(address one)
ok "its port is reached from the host" wait_until 10 answers "$one" 31001
is "$(timeout 3 bash -c "cat </dev/tcp/$one/31001" 2>/dev/null)" "hello from inside" "and answers"
put alice "$HERE/t/payload/probe" /none/run >/dev/null
exits 0 "start without a network" hf alice start none --wait --timeout 30
no_report() { batch alice <<<"get /none/report.json $SCRATCH/none.json" >/dev/null 2>&1 && [ -s "$SCRATCH/none.json" ]; }
wait_until 60 no_report
is "$(python3 -c 'import json,sys; print(*json.load(open(sys.argv[1]))["interfaces"])' "$SCRATCH/none.json")" "lo" "it has only its loopback"
is "$(address none)" "" "and no address"
exits 0 "kill" hf alice kill none --wait --timeout 10
ok "the daemon is up" daemon_up
done_testing
