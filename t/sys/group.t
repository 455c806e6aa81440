#!/bin/bash
# A server's control group as far as it needs no controllers: born in it, frozen and thawed, killed at once with all that is in it, changed
# by a reload.  (Controllers: t/vm/limits.t.)
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rsync
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
stop_timeout = 20s
[server hundred]
owner = alice
command = /usr/bin/python3 ./run
pids = 150
memory = 512M
disk = 16M
restart = never
E2
rig_up --ini "$SCRATCH/more.ini"
MOUNT=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
[ -n "$MOUNT" ] || skip_all "no cgroup2 is mounted"
SUB=$MOUNT/$CGROUP
tool() { "$TOOL" --run "$RUN" "$@"; }
value() { cat "$SUB/$1/$2" 2>/dev/null; }
frozen() { awk '$1 == "frozen" { print $2 }' "$SUB/$1/cgroup.events"; }
put_run one <"$HERE/t/payload/echo"

# --- in its group -------------------------------------------------------------------------------------------------------------------

exits 3 "a server that does not run is not frozen" tool server freeze one
like "$err" 'one is offline; allowed: one that runs' "which is said"
exits 3 "nor thawed" tool server thaw one
exits 0 "one starts" hf alice start one --wait --timeout 30
pid=$(field one pid)
like "$(cat "/proc/$pid/cgroup")" "0::/([^ ]*/)?$CGROUP/one\$" "init is in its group"
outside() { local p; for p in $(pgrep -g 0 -P "$pid" 2>/dev/null) $(pgrep -P "$pid"); do grep -q "$CGROUP/one\$" "/proc/$p/cgroup" || echo "$p"; done; }
is "$(outside)" "" "and all of its children"
like "$(tool server show one)" "cgroup $SUB/one" "server show names it"
ok "server show --json is an object" json_ok server state pid uids_first address cgroup files limits use <<<"$(tool server show one --json)"
json() { tool server show "$1" --json | python3 -c 'import json, sys; o = json.load(sys.stdin); print(eval(sys.argv[1]))' "$2"; }
atleast "$(json one 'o["use"]["cpu_ms"]')" 0 "with the processor time the group has used, which every kernel counts"
is "$(json one 'sorted(o["limits"])[:3]')" "['cpu.max', 'cpu.max.burst', 'cpu.weight']" "and a place for each limit"

# --- frozen -------------------------------------------------------------------------------------------------------------------------

exits 0 "server freeze" tool server freeze one
is "$(frozen one)" 1 "stops every process of it"
is "$(field one state)" frozen "status shows it to the account"
like "$(tool status)" 'one +frozen' "and to the admin"
is "$(json one 'o["state"]')" frozen "server show as well"
exits 0 "frozen again is frozen" tool server freeze one
hf alice send one "heard while frozen" >/dev/null
sleep 0.5
heard() { hf alice logs one -n 20 | grep -q 'heard: heard while frozen'; }
nok "it hears nothing" heard
kill -KILL "$SERVER_PID"
gone() { ! alive "$SERVER_PID"; }
wait_until 10 gone
text=$("$HERE/t/rig" start "$PREFIX" 2>&1) || diag "$text"
eval "$(grep '^SERVER_PID=' <<<"$text")"
is "$(field one state) $(field one pid)" "frozen $pid" "the next daemon finds it frozen"
exits 0 "server thaw" tool server thaw one
is "$(frozen one) $(field one state)" "0 running" "lets it go on"
ok "it hears what was said meanwhile" wait_until 10 heard
tool server freeze one
exits 0 "a stop of a frozen server" hf alice stop one --wait --timeout 30
is "$(field one reason) $(field one exit_code)" "stopped by alice 0" "thaws it, so that it stops in its own way"
nok "its group is gone" test -e "$SUB/one"
exits 0 "start" hf alice start one --wait --timeout 30
is "$(frozen one)" 0 "the next run is not frozen"
tool server freeze one
exits 0 "a kill of a frozen server" hf alice kill one --wait --timeout 30
is "$(field one state) $(field one reason)" "offline killed by alice" "needs no thaw"
exits 2 "an unknown word" tool server stun one
like "$err" 'allowed: show plan seccomp freeze thaw' "names those there are"

# --- a folder that was left ---------------------------------------------------------------------------------------------------------

mkdir "$SUB/one"
sleep 1000 & left=$!
disown $left
echo $left >"$SUB/one/cgroup.procs"
exits 0 "a start where an earlier run left a process in the group" hf alice start one --wait --timeout 30
nok "ends that process first" kill -0 $left
exits 0 "kill" hf alice kill one --wait --timeout 30

# --- killed -------------------------------------------------------------------------------------------------------------------------

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
put alice "$SCRATCH/hundred" /hundred/run >/dev/null
full() { [ "$(value hundred cgroup.procs | wc -l)" -ge 102 ]; }
left_of() { local p n=0; for p in $1; do ! kill -0 "$p" 2>/dev/null || n=$((n + 1)); done; echo $n; }
filled() { hf alice start hundred --wait --timeout 60 >/dev/null 2>&1; wait_until 30 full || fail "there are a hundred processes"; }
for how in running frozen; do
    filled
    pids=$(value hundred cgroup.procs)
    [ $how = running ] || tool server freeze hundred
    exits 0 "kill of a hundred $how processes" hf alice kill hundred --wait --timeout 30
    is "$(left_of "$pids") $(field hundred state) $(field hundred reason)" "0 offline killed by alice" "none of $(wc -w <<<"$pids") is left"
done
# From the kernel's kill, which is what an order writes, until the daemon has heard of the end and removed the group.
times=()
for i in 1 2 3 4 5; do
    filled
    pids=$(value hundred cgroup.procs)
    times+=("$(python3 - "$SUB/hundred" <<'E2'
import os, sys, time
fd = os.open(sys.argv[1] + "/cgroup.kill", os.O_WRONLY)
start = time.monotonic()
os.write(fd, b"1")
while os.path.exists(sys.argv[1]) and time.monotonic() < start + 30:
    time.sleep(0.0005)
print(round((time.monotonic() - start) * 1000))
E2
)")
    is "$(left_of "$pids")" 0 "killed from outside, time $i: none is left"
    down() { state_is hundred failed; }
    wait_until 10 down
done
diag "a hundred processes killed, reaped, the end heard and the group removed in ${times[*]} ms (target 20)"
atmost "$(printf '%s\n' "${times[@]}" | sort -n | head -n 1)" 500 "at best within half a second, in ms"

# --- an errand ------------------------------------------------------------------------------------------------------------------------

put_run two <"$HERE/t/payload/echo"
exits 0 "two starts" hf alice start two --wait --timeout 30
head -c 5M /dev/urandom >"$SCRATCH/much"
timeout 120 rsync --bwlimit=200 -e "ssh -F $SSH_CONFIG" "$SCRATCH/much" alice:/two/ >/dev/null 2>&1 & copy=$!
cleanup kill -KILL $copy
errand() { e=$(find "$SUB" -maxdepth 1 -name '.errand.*' -printf '%f\n' | head -n 1); [ -n "$e" ] && [ -n "$(value "$e" cgroup.procs)" ]; }
ok "an errand has a group of its own" wait_until 20 errand
like "$(for p in $(value "$e" cgroup.procs); do cat "/proc/$p/comm"; done | sort -u | tr '\n' ' ')" '^holdfast-init rsync $' "with rsync in it"
unlike "$(value two cgroup.procs | while read -r p; do cat "/proc/$p/comm"; done)" rsync "and none in the server's"
like "$(for p in $(role_pids shim); do sed -n 's/^0:://p' "/proc/$p/cgroup"; done | sort -u)" "^(/[^ ]*)?/$CGROUP/.shims\$" "both shims are with the shims"
exits 0 "kill of the server" hf alice kill two --wait --timeout 30
ok "does not end the errand" errand
kill -TERM $copy; wait $copy 2>/dev/null; unset 'tap_stack[-1]'
no_errand() { [ -z "$(find "$SUB" -maxdepth 1 -name '.errand.*')" ]; }
ok "its client's end does, and the group goes" wait_until 20 no_errand

# --- changed by a reload ------------------------------------------------------------------------------------------------------------

exits 0 "one starts" hf alice start one --wait --timeout 30
pid=$(field one pid)
nproc_of() { awk '$1 " " $2 == "Max processes" { print $3, $4 }' "/proc/$1/limits"; }
set_key() { sed -i "/^\[server $1\]/,/^\[/{/^$2 *=/d}; s/^\[server $1\]/&\n$2 = $3/" "$CONFIG/servers.d/rig.ini"; }
is "$(nproc_of "$pid")" "64 64" "RLIMIT_NPROC is its pids"
set_key one pids 40
exits 0 "reload with fewer" tool reload
is "$(nproc_of "$pid")" "40 40" "lowers that of the running server, too"
all=$(awk '{ gsub(/-.*/, ""); print }' /sys/devices/system/cpu/online)
set_key one cpuset 8000
exits 1 "a cpuset that the machine does not have is refused as a whole" tool reload
like "$err" "rig.ini:[0-9]+: server one: cpuset = 8000: this machine has no processor 8000; allowed: $all" \
    "with file, line, and what there is"
run "$DAEMON" -c "$CONFIG" -t
like "$rc $out$err" "^1 .*cpuset = 8000" "holdfastd -t says so too"
set_key one cpuset 0
set_key one cpu_burst 50ms
exits 0 "limits that need controllers" tool reload
unlike "$out" 'keeps what it had' "are not missed where limits = available"
set_key one cpu_burst 101ms
exits 1 "a burst above the quota" tool reload
like "$err" "allowed: at most 100ms" "is refused"
done_testing
