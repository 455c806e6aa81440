#!/bin/bash
# vm: bound 1500
# Limits that the kernel holds a server to: memory, swap, processes, processor time, input and output; changed while it runs; kill; errands and
# shims; and that another server does not notice.
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
io_write = 50M
command = /usr/bin/python3 ./run
memory = 64M
tmp = 16M
restart = never
disk = 16M
[server bomb]
owner = alice
command = /usr/bin/python3 ./run
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
[server swapper]
owner = alice
command = /usr/bin/python3 ./run
memory = 64M
swap = 128M
tmp = 16M
restart = never
disk = 16M
[server light]
owner = alice
command = /bin/bash ./run
cpuset = 0
cpu_weight = 50
memory = 64M
tmp = 16M
disk = 16M
[server heavy]
owner = alice
command = /bin/bash ./run
cpuset = 0
cpu_weight = 200
memory = 64M
tmp = 16M
disk = 16M
[server holder]
owner = alice
command = /bin/bash ./run
memory = 192M
memory_high = 160M
memory_reservation = 48M
tmp = 16M
io_read = 2M
io_write = 2M
cpu = 100%
cpu_burst = 50ms
restart = never
disk = 96M
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

tool() { "$TOOL" --run "$RUN" "$@"; }
used() { tool server show "$1" | awk -v k="$2" '$1 == "use" && $2 == k { print $3 }'; }
# Sets KEY of a server in the ini file.
set_key() { sed -i "/^\[server $1\]/,/^\[/{/^$2 *=/d}; s/^\[server $1\]/&\n$2 = $3/" "$CONFIG/servers.d/rig.ini"; }
# Runs WORDS in the server of t/payload/echo and leaves their output, up to the line that says they are done, in $said.
marks=0
say_to() {
    local server=$1; shift
    marks=$((marks + 1))
    hf alice send "$server" "'sh echo begin $marks; $*; echo end $marks'" >/dev/null
    ended() { hf alice logs "$server" -n 200 | grep -q "[[:space:]]end $marks\$"; }
    wait_until 180 ended || diag "no end of: $*"
    said=$(hf alice logs "$server" -n 200 | sed -n "/[[:space:]]begin $marks\$/,/[[:space:]]end $marks\$/p")
}
echoing() { put alice "$HERE/t/payload/echo" "/$1/run" >/dev/null; }

# Swap that nobody is to touch but who is given some.
dd if=/dev/zero of="$SCRATCH/swap" bs=1M count=160 status=none && chmod 0600 "$SCRATCH/swap" && mkswap -q "$SCRATCH/swap" && swapon "$SCRATCH/swap"
cleanup swapoff "$SCRATCH/swap"
ok "the machine has swap" grep -q "$SCRATCH/swap" /proc/swaps
put_run two <"$HERE/t/payload/echo"
start two
two=$(field two pid)

# --- what is set ------------------------------------------------------------------------------------------------------------------

is "$(value two memory.max) $(value two memory.high) $(value two pids.max) $(value two cpu.max)" "134217728 max 64 100000 100000" \
    "memory.max, memory.high, pids.max and cpu.max are the configuration's"
is "$(value two memory.oom.group)" 1 "one process out of memory ends the whole server"
is "$(value two memory.swap.max)" 0 "no swap"
[ ! -e "$SUB/two/memory.zswap.max" ] || is "$(value two memory.zswap.max)" 0 "neither compressed in memory"
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
swapped() { awk 'NR > 1 { n += $4 } END { print n + 0 }' /proc/swaps; }
before=$(swapped)
start eater
is "$(value eater memory.max)" 67108864 "memory.max is 64 MiB"
hf alice send eater eat >/dev/null
ok "one that eats memory is ended" wait_until 120 state_is eater failed
like "$(field eater reason)" "^out of memory at its limit of " "and its status says: out of memory"
is "$(field eater signal)" 9 "by signal 9"
like "$(hf alice events eater -n 1)" "out of memory at its limit of 64M" "its last event says the same to a person"
eaten=$(hf alice logs eater -n 5 | grep -o '[0-9]* MiB$' | tail -n 1)
atmost "${eaten% MiB}" 64 "it got no more than its limit, in MiB"
atleast "${eaten% MiB}" 16 "and a good part of it"
nok "its group is gone" test -e "$SUB/eater"
atmost $(($(swapped) - before)) 4096 "nothing of it went to the swap, in KiB"
is "$(event two memory.events oom_kill) $(cat "$SUB/.shims/memory.events" | awk '$1 == "oom_kill" { print $2 }')" "0 0" \
    "no other group lost a process: neither the neighbour's nor the shims'"
is "$(field two pid) $(field two state)" "$two running" "the other server lives"
ok "and the daemon" daemon_up

cat >"$SCRATCH/swapper" <<'E2'
import time
held = [bytearray(b"x") * (4 << 20) for i in range(24)]
print("has it all", flush=True)
time.sleep(1000)
E2
send_run swapper
start swapper
is "$(value swapper memory.swap.max)" 134217728 "one that is given swap"
all() { hf alice logs swapper -n 5 | grep -q 'has it all'; }
ok "holds 96 MiB with 64 MiB of memory" wait_until 180 all
atleast "$(value swapper memory.swap.current)" 16777216 "the rest of it in swap, in bytes"
exits 0 "kill" hf alice kill swapper --wait --timeout 60

# --- tmpfs ------------------------------------------------------------------------------------------------------------------------

say_to two 'dd if=/dev/zero of=/tmp/x bs=1M; dd if=/dev/zero of=/dev/shm/x bs=1M; df -k /tmp /dev/shm | tail -n 2'
like "$said" 'No space left' "a bomb of files in /tmp and /dev/shm ends where they are full"
atleast "$(event two memory.stat shmem)" 33554432 "their pages are charged to the server, in bytes"
atmost "$(value two memory.current)" 134217728 "and within its memory"
is "$(field two state) $(event two memory.events oom_kill)" "running 0" "which they cannot fill"
say_to two 'rm /tmp/x /dev/shm/x'
atmost "$(event two memory.stat shmem)" 1048576 "what is removed is given back"

# --- processes --------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/bomb" <<'E2'
import os, sys, time
print("ticking", flush=True)
sys.stdin.readline()
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.05)
E2
send_run bomb
start bomb
hf alice send bomb go >/dev/null
hit() { [ "$(event bomb pids.events max)" -gt 0 ]; }
ok "a fork bomb meets pids.max" wait_until 120 hit
most=0
for ((i = 0; i < 30; i++)); do n=$(value bomb pids.current); [ "${n:-0}" -le $most ] || most=$n; sleep 0.1; done
atmost "$(value bomb pids.peak || echo $most)" 40 "it never had more than its limit"
atleast "$most" 35 "and as many as that"
atleast "$(used bomb pids_refused)" 1 "server show counts the refusals"
ok "another server is heard" hf alice send two "'sh echo forked \$((6 * 7))'"
ok "and forks on" wait_until 60 inside '[[:space:]]forked 42'
exits 0 "kill ends the bomb" hf alice kill bomb --wait --timeout 60
nok "and its group is gone" test -e "$SUB/bomb"
cat >"$SCRATCH/bomb" <<'E2'
import os, sys, time
try:
    while os.fork():
        pass
    time.sleep(1000)
except OSError:
    sys.exit(3)
E2
send_run bomb
run hf alice start bomb --wait --timeout 120
ok "one that ends as it is refused a process" wait_until 120 state_is bomb failed
like "$(field bomb reason)" "exit code 3; it was refused more processes and threads than its limit of 40" "its status names that limit"
like "$(hf alice events bomb -n 1)" "exit code 3; it was refused more processes and threads than its limit of 40" "and so does its last event"

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

atleast "$(used spinner cpu_throttled)" 5 "server show counts that"
atleast "$(used spinner cpu_throttled_ms)" 100 "and for how long"

top_of() { hf alice top "$1" --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())[sys.argv[1]])' "$2"; }
got=$(top_of spinner cpu_permille)
atmost "$got" 450 "top shows what it gets, in thousandths of a processor"
atleast "$got" 50 "and not nothing"
ok "frozen" tool server freeze spinner
a=$(event spinner cpu.stat usage_usec)
sleep 3
is $(($(event spinner cpu.stat usage_usec) - a)) 0 "it gets no time at all"
is "$(field spinner state) $(top_of spinner cpu_permille)" "frozen 0" "and that is shown"
ok "thawed" tool server thaw spinner
goes_on() { [ "$(event spinner cpu.stat usage_usec)" -gt $((a + 100000)) ]; }
ok "it goes on" wait_until 60 goes_on

# --- processors and shares --------------------------------------------------------------------------------------------------------------

for s in light heavy; do cp "$SCRATCH/spinner" "$SCRATCH/$s"; send_run $s; start $s; done
allowed() { local p; for p in $(value "$1" cgroup.procs); do awk '$1 == "Cpus_allowed_list:" { print $2 }' "/proc/$p/status"; done | sort -u | tr '\n' ' '; }
is "$(value light cpuset.cpus) $(allowed light)" "0 0 " "cpuset = 0 is where all of its processes may run"
is "$(allowed two)" "0-1 " "the others may run anywhere"
is "$(value light cpu.weight) $(value heavy cpu.weight)" "50 200" "two spin on one processor, a share of 1 and a share of 4"
sleep 2
a=$(event light cpu.stat usage_usec) b=$(event heavy cpu.stat usage_usec)
sleep 10
a=$(($(event light cpu.stat usage_usec) - a)) b=$(($(event heavy cpu.stat usage_usec) - b))
diag "in 10 s: light $((a / 1000)) ms, heavy $((b / 1000)) ms"
atleast $((b * 10 / (a + 1))) 25 "the greater keeps its own, in tenths of the other's"
atmost $((b * 10 / (a + 1))) 60 "and the lesser as well"
set_key light cpuset 1
ok "reload with another cpuset" tool reload
is "$(value light cpuset.cpus) $(allowed light)" "1 1 " "moves the running server's processes"
set_key light cpuset ''
run tool reload
unlike "$rc$out$err" 'keeps what it had|^[^0]' "and with none, which a group with processes is not to be refused"
is "$(allowed light)" "0-1 " "frees them"
for s in light heavy; do exits 0 "kill" hf alice kill $s --wait --timeout 60; done

# --- changed while it runs ------------------------------------------------------------------------------------------------------------

set_key spinner cpu 10%
set_key spinner memory 96M
run tool reload
like "$rc $out" '^0 .*server spinner: 2 limits set' "reload with other limits"
is "$(value spinner cpu.max) $(value spinner memory.max)" "10000 100000 100663296" "sets them on the running server"
atmost "$(share 8)" 18 "which then gets 10 %, about"

set_key spinner cpu 40%
set_key spinner cpu_burst 40ms
ok "a burst" tool reload
is "$(value spinner cpu.max) $(value spinner cpu.max.burst)" "40000 100000 40000" "up to the quota"
set_key spinner cpu 20%
set_key spinner cpu_burst 5ms
run tool reload
is "$rc $(value spinner cpu.max) $(value spinner cpu.max.burst)" "0 20000 100000 5000" "a quota below the burst that was: both are changed"
unlike "$out" 'keeps' "and nothing is said to have failed"
exits 0 "kill" hf alice kill spinner --wait --timeout 60

echoing holder
start holder
is "$(value holder memory.max) $(value holder memory.high) $(value holder memory.low)" "201326592 167772160 50331648" \
    "memory.max, memory.high and memory.low"
is "$(cat "$SUB/memory.low")" 50331648 "what is reserved for servers is reserved above them"
is "$(value holder cpu.max.burst)" 50000 "cpu.max.burst"
nproc_of() { awk '$1 " " $2 == "Max processes" { print $3, $4 }' "/proc/$1/limits"; }
set_key holder pids 700
set_key holder memory_reservation 32M
ok "reload" tool reload
is "$(value holder pids.max) $(nproc_of "$(field holder pid)")" "700 716 716" "pids raised beyond what it was started with: RLIMIT_NPROC, asked first, follows"
is "$(value holder memory.low) $(cat "$SUB/memory.low")" "33554432 33554432" "the reservation as well"
say_to holder 'head -c 60M /dev/zero >page-cache; sync; cat page-cache >/dev/null'
atleast "$(event holder memory.stat file)" 33554432 "page cache is memory of the server, in bytes"
set_key holder memory 40M
set_key holder memory_high 0
from=$(now_us)
ok "reload with less memory than it uses, page cache most of it" tool reload
diag "the reload took $((($(now_us) - from) / 1000)) ms"
atmost "$(value holder memory.current)" 41943040 "takes the page cache back"
is "$(value holder memory.max) $(value holder memory.high) $(field holder state)" "41943040 max running" "and the server lives"
set_key holder memory 192M
ok "reload with more" tool reload
say_to holder 'python3 -c "import time; x = bytearray(b\"x\") * (80 << 20); print(\"holds\", flush=True); time.sleep(1000)" & sleep 8'
atleast "$(event holder memory.stat anon)" 67108864 "memory that cannot be taken back, in bytes"
set_key holder memory 48M
ok "reload with less than that" tool reload
ok "ends the server" wait_until 60 state_is holder failed
like "$(field holder reason)" "^out of memory at its limit of " "out of memory"
is "$(cat "$SUB/memory.low")" 0 "nothing is reserved any more"
ok "the log says what was changed" logged 'server.limit.* server=holder file=memory.max value="50331648" was="201326592"'
set_key holder memory 192M
ok "reload" tool reload

# --- input and output ----------------------------------------------------------------------------------------------------------------

start holder
loop=$(findmnt -no MAJ:MIN "$PREFIX/state/servers/holder" | tr -d ' ')
device=/dev/$(basename "$(readlink -f "/sys/dev/block/$loop")")
is "$(value holder io.max)" "$loop rbps=2097152 wbps=2097152 riops=max wiops=max" "io.max is set at the loop device of its files"
# Milliseconds that 8 MiB take, in $took: 4000 with the limit.
copy() {
    say_to holder "[ -e f ] || head -c 8M /dev/zero >f; sync; s=\${EPOCHREALTIME/./}; $1; echo took \$(((\${EPOCHREALTIME/./} - s) / 1000))"
    took=$(sed -n 's/.*[[:space:]]took \([0-9]*\)$/\1/p' <<<"$said" | tail -n 1)
}
direct_write='dd if=/dev/zero of=f bs=256k count=32 conv=notrunc oflag=direct'
direct_read='dd if=f of=/dev/null bs=256k iflag=direct'
buffered='dd if=/dev/zero of=g bs=256k count=32 conv=fsync'
copy "$direct_write"
atleast "$took" 3000 "8 MiB written past the cache take their time, in ms"
copy "$direct_read"
atleast "$took" 3000 "and read"
copy "$buffered"
atleast "$took" 3000 "and written through the cache"
atleast "$(used holder io_written)" 16777216 "server show counts the bytes"
is "$(field holder io_written)" "$(used holder io_written)" "and status the same"
marks=$((marks + 1))
hf alice send holder "'sh $direct_write; $direct_write; echo end $marks'" >/dev/null
writes() { got=$(top_of holder io_write_rate) && [ "$got" -ge 500000 ]; }
ok "top shows what is written while it is" wait_until 30 writes
atmost "$got" 4194304 "about as much as it may, in bytes a second"
all_written() { hf alice logs holder -n 20 | grep -q "[[:space:]]end $marks\$"; }
wait_until 120 all_written
losetup --direct-io=off "$device"
copy "$direct_write"
atleast "$took" 3000 "the same on a loop device that does not read its image directly"
# Why not at the disk under it: there the kernel knows the server only while the loop device reads directly.
disk=$(cat /sys/block/nvme0n1/dev)
set_key holder io_read 0
set_key holder io_write 0
ok "reload without limits" tool reload
is "$(value holder io.max)" "" "lifts them at once"
copy "$direct_write"
atmost "$took" 3000 "as fast as the disk, in ms"
echo "$disk wbps=2097152" >"$SUB/holder/io.max"
copy "$direct_write"
diag "limited at the disk, loop device not direct: $took ms for 8 MiB"
losetup --direct-io=on "$device"
copy "$direct_write"
diag "limited at the disk, loop device direct: $took ms for 8 MiB"
echo "$disk wbps=max" >"$SUB/holder/io.max"
set_key holder io_write_ops 8
ok "reload with operations a second" tool reload
copy "$direct_write"
atleast "$took" 3000 "32 writes at 8 a second, in ms"
set_key holder io_weight 300
ok "reload with another weight" tool reload
[ ! -e "$SUB/holder/io.weight" ] || is "$(head -n 1 "$SUB/holder/io.weight")" "default 300" "io.weight"

# --- what cannot be held --------------------------------------------------------------------------------------------------------------

echo -cpuset >"$SUB/cgroup.subtree_control"
set_key holder cpuset 1
set_key holder pids 650
run tool reload
is $rc 0 "a reload with a limit that the kernel has not got any more"
like "$out" 'server holder keeps what it had: cpuset: cpuset.cpus = 1: this machine has no such file' "says so"
is "$(value holder pids.max)" 650 "and sets the others"
exits 0 "kill" hf alice kill holder --wait --timeout 60
run hf alice start holder --wait --timeout 60
isnt $rc 0 "a start is refused"
like "$(field holder reason)" 'cpuset.cpus = 1: this machine has no such file .controller cpuset' "with the limit that cannot be held"
nok "and leaves no group" test -e "$SUB/holder"
echo +cpuset >"$SUB/cgroup.subtree_control"
echo 0 >/sys/devices/system/cpu/cpu1/online
run hf alice start holder --wait --timeout 60
like "$(field holder reason)" 'no processor 1; allowed: 0' "a processor that was switched off: refused, not widened to all"
echo 1 >/sys/devices/system/cpu/cpu1/online
start holder
is "$(value holder cpuset.cpus.effective)" 1 "with it back, it starts, on that one"
exits 0 "kill" hf alice kill holder --wait --timeout 60

# --- errands and shims ----------------------------------------------------------------------------------------------------------------

head -c 6M /dev/urandom >"$SCRATCH/much"
timeout 300 rsync --bwlimit=300 -e "ssh -F $SSH_CONFIG" "$SCRATCH/much" alice:/two/ >/dev/null 2>&1 & copy=$!
errand() { e=$(find "$SUB" -maxdepth 1 -name '.errand.*' -printf '%f\n' | head -n 1); [ -n "$e" ] && [ -n "$(value "$e" cgroup.procs)" ]; }
ok "an errand has a group of its own" wait_until 60 errand
is "$(value "$e" memory.max) $(value "$e" memory.swap.max) $(value "$e" cpu.max) $(value "$e" pids.max) $(value "$e" memory.low)" \
    "$(value two memory.max) 0 $(value two cpu.max) 32 0" "with the server's limits, fewer processes, and nothing reserved"
is "$(value "$e" memory.oom.group) $(value "$e" cpu.weight)" "1 100" "and its weight"
atleast "$(value "$e" memory.current)" 1 "what it uses is charged there, in bytes"
set_key two memory 112M
ok "reload with less memory for the server" tool reload
is "$(value two memory.max) $(value "$e" memory.max)" "117440512 117440512" "is less for the errand, too"
wait $copy
is $? 0 "the copy ends well"
ended() { [ ! -e "$SUB/$e" ]; }
ok "and the group with it" wait_until 30 ended
servers=$(grep -c '^\[server' "$CONFIG/servers.d/rig.ini")
is "$(value .shims pids.max) $(value .shims memory.max)" "$((64 + 4 * servers)) $(((64 + 16 * servers) << 20))" "the shims' group has limits"
is "$(for f in max oom_kill; do event .shims memory.events $f; done | tr '\n' ' ')$(event .shims pids.events max)" "0 0 0" "which it never met"
diag ".shims: $(value .shims memory.current) bytes now, $(value .shims memory.peak) at most, $(value .shims cgroup.procs | wc -l) shims now"

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
diag "a kill of a hundred with its login took $((($(now_us) - from) / 1000)) ms"
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
set_key eater pids 77
text=$("$HERE/t/rig" start "$PREFIX" 2>&1) || diag "$text"
eval "$(grep '^SERVER_PID=' <<<"$text")"
is "$(field eater state) $(value eater memory.max)" "running 67108864" "a server found again has its limits"
is "$(value eater pids.max)" 77 "and those that were changed while there was no daemon"
nok "none of them could not be set" logged 'server.limits .*eater'
hf alice send eater eat >/dev/null
ok "they hold" wait_until 120 state_is eater failed
like "$(field eater reason)" "^out of memory at its limit of " "and the next daemon knows why it ended"

# --- the end ------------------------------------------------------------------------------------------------------------------------

exits 0 "stop" hf alice stop two --wait --timeout 120
nok "its group is gone" test -e "$SUB/two"
tap_stack=("${tap_stack[@]/rig_end */}")
ok "the rig ends, nothing is left" "$HERE/t/rig" down "$PREFIX"
nok "nor the subtree" test -e "$SUB"
done_testing
