#!/bin/bash
# Limits that the kernel holds a server to: memory, processes, processor time; kill; and that another server does not notice.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
G=/sys/fs/cgroup
grep -qsw memory $G/cgroup.controllers && grep -qw pids $G/cgroup.controllers && grep -qw cpu $G/cgroup.controllers ||
    skip_all "no cgroup v2 controllers (t/vm/run has them)"
RUN_BOUND=300
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[sandbox]
limits = required
[server eater]
owner = alice
command = /usr/bin/python3 ./run
memory = 64M
tmp = 16M
restart = never
disk = 16M
[server bomb]
owner = alice
command = /bin/bash ./run
memory = 256M
pids = 40
restart = never
disk = 16M
[server spinner]
owner = alice
command = /bin/bash ./run
cpu = 30%
cpu_weight = 50
memory = 64M
tmp = 16M
disk = 16M
[server hundred]
owner = alice
command = /usr/bin/python3 ./run
pids = 150
memory = 512M
disk = 16M
E2
rig_up --ini "$SCRATCH/more.ini"
SUB=$G/$CGROUP
send_run() { put alice "$SCRATCH/$1" "/$1/run" >/dev/null; }
value() { cat "$SUB/$1/$2" 2>/dev/null; }
event() { awk -v k="$3" '$1 == k { print $2 }' "$SUB/$1/$2" 2>/dev/null; }
start() { exits 0 "$1 starts" hf alice start "$1" --wait --timeout 120; }

put_run two <"$HERE/t/payload/echo"
start two
two=$(field two pid)

# --- what is set ------------------------------------------------------------------------------------------------------------------

is "$(value two memory.max) $(value two memory.high) $(value two pids.max) $(value two cpu.max)" "134217728 max 64 100000 100000" \
    "memory.max, memory.high, pids.max and cpu.max are the configuration's"
is "$(value two memory.oom.group)" 1 "one process out of memory ends the whole server"
[ ! -e "$SUB/two/memory.swap.max" ] || is "$(value two memory.swap.max)" 0 "no swap"
is "$(value two cpu.weight)" 100 "cpu.weight"
[ ! -e "$SUB/two/io.weight" ] || is "$(value two io.weight)" "default 100" "io.weight"
is "$(cat "/proc/$two/cgroup")" "0::/$CGROUP/two" "its init is in its group"
foreign() {
    local p
    for p in $(value two cgroup.procs); do awk '$1 == "Uid:" { print $2 }' "/proc/$p/status"; done | awk -v a="$SERVERS_UID" '$1 < a' | wc -l
}
is "$(foreign)" 0 "and nobody else's process"
like "$(hf alice status two --json)" '"memory": ?[1-9]' "status shows what it uses"
shim=$(awk '$1 == "PPid:" { print $2 }' "/proc/$two/status")
is "$(cat "/proc/$shim/cgroup")" "0::/$CGROUP/.shims" "its shim is with the other shims, not with the daemon"
hf alice send two "'sh cat /proc/self/cgroup'" >/dev/null
inside() { hf alice logs two -n 20 | grep -q "$1"; }
ok "from inside, its group is the root of all" wait_until 60 inside '[[:space:]]0::/$'

# --- memory -----------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/eater" <<'E2'
import subprocess, sys
print("hungry", flush=True)
subprocess.Popen(["/usr/bin/sleep", "1000"])
sys.stdin.readline()
held = []
while True:
    held.append(bytearray(b"x") * (4 << 20))
    print(len(held) * 4, "MiB", flush=True)
E2
send_run eater
start eater
is "$(value eater memory.max)" 67108864 "memory.max is 64 MiB"
hf alice send eater eat >/dev/null
ok "one that eats memory is ended" wait_until 120 state_is eater failed
is "$(field eater reason)" "out of memory" "and its status says: out of memory"
is "$(field eater signal)" 9 "by signal 9"
eaten=$(hf alice logs eater -n 5 | grep -o '[0-9]* MiB$' | tail -n 1)
atmost "${eaten% MiB}" 64 "it got no more than its limit, in MiB"
atleast "${eaten% MiB}" 16 "and a good part of it"
nok "its group is gone" test -e "$SUB/eater"
is "$(field two pid) $(field two state)" "$two running" "the other server lives"
ok "and the daemon" daemon_up

# --- processes --------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/bomb" <<'E2'
echo "ticking"
read -r _
b() { b | b & }
b
while :; do sleep 1; done
E2
send_run bomb
start bomb
hf alice send bomb go >/dev/null
hit() { [ "$(event bomb pids.events max)" -gt 0 ]; }
ok "a fork bomb meets pids.max" wait_until 120 hit
most=0
for ((i = 0; i < 30; i++)); do n=$(value bomb pids.current); [ "${n:-0}" -le $most ] || most=$n; sleep 0.1; done
atmost "$(value bomb pids.peak || echo $most)" 40 "it never had more than its limit"
atleast "$most" 3 "and still has some"
ok "another server is heard" hf alice send two "'sh echo forked \$((6 * 7))'"
ok "and forks on" wait_until 60 inside '[[:space:]]forked 42'
exits 0 "kill ends the bomb" hf alice kill bomb --wait --timeout 60
nok "and its group is gone" test -e "$SUB/bomb"

# --- processor time -----------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/spinner" <<'E2'
(while :; do :; done) &
while :; do :; done
E2
send_run spinner
start spinner
is "$(value spinner cpu.max) $(value spinner cpu.weight)" "30000 100000 50" "cpu.max and cpu.weight are the configuration's"
sleep 3
share() {
    local a b from to
    a=$(event spinner cpu.stat usage_usec) from=$(now_us)
    sleep "$1"
    b=$(event spinner cpu.stat usage_usec) to=$(now_us)
    echo $(((b - a) * 100 / (to - from)))
}
got=$(share 10)
atmost "$got" 40 "two spinning processes get no more than 30 %, about"
atleast "$got" 10 "and something"
atleast "$(event spinner cpu.stat nr_throttled)" 5 "being held back"
atleast "$(field spinner cpu_ms)" 1000 "status counts the milliseconds"

# --- changed while it runs ------------------------------------------------------------------------------------------------------------

sed -i '/^\[server spinner\]/,/^\[server hundred/{s/^cpu = .*/cpu = 10%/;s/^memory = .*/memory = 96M/}' "$CONFIG/servers.d/rig.ini"
ok "reload with other limits" "$TOOL" --run "$RUN" reload
is "$(value spinner cpu.max) $(value spinner memory.max)" "10000 100000 100663296" "sets them on the running server"
atmost "$(share 8)" 18 "which then gets 10 %, about"

# --- kill -------------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/hundred" <<'E2'
import os, signal, time
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(s, signal.SIG_IGN)
for i in range(100):
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(1000)
print("all hundred", flush=True)
while True:
    time.sleep(1000)
E2
send_run hundred
start hundred
full() { [ "$(wc -l <"$SUB/hundred/cgroup.procs")" -ge 101 ]; }
ok "there are a hundred processes" wait_until 120 full
pids=$(value hundred cgroup.procs)
from=$(now_us)
exits 0 "kill" hf alice kill hundred --wait --timeout 60
diag "kill with its login took $((($(now_us) - from) / 1000)) ms"
left=0
for p in $pids; do ! kill -0 "$p" 2>/dev/null || left=$((left + 1)); done
is $left 0 "none of them is left when it returns"
nok "nor their group" test -e "$SUB/hundred"
is "$(field hundred state)" offline "and the server is offline"

# --- the next daemon ----------------------------------------------------------------------------------------------------------------

start eater
kill -KILL "$SERVER_PID"
gone() { ! alive "$SERVER_PID"; }
wait_until 60 gone
text=$("$HERE/t/rig" start "$PREFIX" 2>&1) || diag "$text"
eval "$(grep '^SERVER_PID=' <<<"$text")"
is "$(field eater state) $(value eater memory.max)" "running 67108864" "a server found again has its limits"
hf alice send eater eat >/dev/null
ok "they hold" wait_until 120 state_is eater failed
is "$(field eater reason)" "out of memory" "and the next daemon knows why it ended"

# --- the end ------------------------------------------------------------------------------------------------------------------------

exits 0 "stop" hf alice stop two --wait --timeout 120
nok "its group is gone" test -e "$SUB/two"
tap_stack=("${tap_stack[@]/rig_end */}")
ok "the rig ends, nothing is left" "$HERE/t/rig" down "$PREFIX"
nok "nor the subtree" test -e "$SUB"
done_testing
