#!/bin/bash
# A launch killed in the middle, at every system call that launch and the sandbox's first process make: nothing of it is left, the server is failed
# and says who died, and the next start works.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -x "${BUILD:-build}/t/lib/cutter" ] || skip_all "t/lib/cutter is not built"
BUILD=$(cd "${BUILD:-build}" && pwd)
export BUILD
scratch

# --- launch alone: every call, and each of the two processes ----------------------------------------------------------------------------------

python3 -B "$HERE/t/lib/cut_all.py" >"$SCRATCH/alone" 2>&1
is $? 0 "launch alone was cut everywhere"
import_results "$SCRATCH/alone" "launch alone: "

# --- under the daemon: where a run of equal calls begins ------------------------------------------------------------------------------------------

cat >"$SCRATCH/more.ini" <<'E2'
[server one]
restart = never
E2
rig_up --ini "$SCRATCH/more.ini"
put_run one <"$HERE/t/payload/echo"
ctl=$SCRATCH/ctl
"${SSH[@]}" -o ControlMaster=yes -o ControlPath="$ctl" -o ControlPersist=yes -N -f alice || bail "no connection"
cleanup "${SSH[@]}" -o ControlPath="$ctl" -O exit alice
hf() { local who=$1; shift; timeout -k 5 60 "${SSH[@]}" -o ControlPath="$ctl" "$who" "$@"; }

: >"$SCRATCH/cut"
"$BUILD/t/lib/cutter" -p "$SERVER_PID" -f "$SCRATCH/cut" -o "$SCRATCH/log" 2>"$SCRATCH/cutter" & cutter=$!
cleanup kill $cutter
wait_until 5 grep -qs "^TracerPid:.*$cutter" "/proc/$SERVER_PID/status" || bail "cannot watch the daemon: $(<"$SCRATCH/cutter")"
start() { hf alice start one --wait --timeout 30; }
exits 0 "a start that is not cut" start
exits 0 "is ended" hf alice kill one --wait --timeout 10
# "SIDE N CALL" of the first of each run of the same call.
awk '$1 != last[$1] "" && $3 != call[$1] { print } { call[$1] = $3 }' "$SCRATCH/log" >"$SCRATCH/places"
atleast "$(wc -l <"$SCRATCH/places")" 60 "places to cut at"

cg=$("$TOOL" --run "$RUN" server show one | sed -n 's/^cgroup //p')
mounts() { sort /proc/self/mountinfo | sed 's/^[0-9]* [0-9]* //'; }
loops() { losetup -l -n -O BACK-FILE | grep -c "^$PREFIX"; }
before_mounts=$(mounts) before_loops=$(loops)
low=$(("$SERVERS_UID" / 65536 * 65536))
# Of the range of its uids, but for the files worker and what else the daemon itself has there.
processes() { awk -v low="$low" '$1 == "Uid:" && $2 >= low && $2 < low + 65536 { print FILENAME }' /proc/[0-9]*/status 2>/dev/null | while read -r f; do
    [ "$(readlink "${f%status}ns/pid")" = "$(readlink /proc/self/ns/pid)" ] || echo "$f"; done; }
clean() {
    [ "$(role_pids launch | wc -l)" = 0 ] && [ "$(role_pids shim | wc -l)" = 0 ] && [ "$(role_pids init | wc -l)" = 0 ] && [ -z "$(processes)" ] &&
        [ "$(ip -4 -o addr | grep -c " 10.213.$SLICE.")" = 0 ] && [ ! -d "${cg:-/nowhere}" ] && [ ! -e "$RUN/shims/one.sock" ] &&
        [ "$(mounts)" = "$before_mounts" ] && [ "$(loops)" = "$before_loops" ]
}
left() { role_pids launch; role_pids shim; role_pids init; processes; ip -4 -o addr | grep " 10.213.$SLICE."; ls -d "$cg" "$RUN/shims/one.sock" 2>/dev/null; diff <(echo "$before_mounts") <(mounts); }
wait_until 10 clean || diag "before: $(left)"

# SIDE N CALL VICTIM -> a line of words when something is wrong
cut_at() {
    local reason state
    echo "$1 $2 kill $4" >"$SCRATCH/cut"
    hf alice start one --wait --timeout 30 >/dev/null 2>"$SCRATCH/err"
    : >"$SCRATCH/cut"
    wait_until 10 state_settled || { echo "$*: it is not settled: $(field one state)"; return; }
    read -r state reason < <(hf alice status one --json | python3 -c 'import json,sys; v = json.loads(sys.stdin.readline()); print(v["state"], v["reason"])')
    [ "$state" = failed ] || echo "$*: the state is $state"
    [[ $reason =~ (launch|shim)\ died|was\ killed|signal\ 9 ]] || echo "$*: the reason is '$reason'"
    wait_until 10 clean || echo "$*: left: $(left | tr '\n' ' ')"
}
state_settled() { [[ $(field one state) =~ ^(failed|offline)$ ]]; }

n=0
while read -r side number call; do
    cut_at "$side" "$number" "$call" "$side"
    n=$((n + 1))
    # The next start works: not asked each time, it takes longer than all the rest.
    [ $((n % 10)) != 0 ] || start >/dev/null 2>&1 || echo "after $side $number: a start fails"
    [ $((n % 10)) != 0 ] || hf alice kill one --wait --timeout 10 >/dev/null 2>&1
done <"$SCRATCH/places" >"$SCRATCH/wrong"
is "$(<"$SCRATCH/wrong")" "" "under the daemon: killed at $n places: failed, says who died, leaves nothing, starts again"
while read -r side number call; do
    [ "$side" = child ] && [ "$number" -gt 2 ] && cut_at child "$number" "$call" host
done <"$SCRATCH/places" >"$SCRATCH/wrong"
is "$(<"$SCRATCH/wrong")" "" "launch killed while the first process is at one of its places: the same"
exits 0 "the next start works" start
exits 0 "and a stop" hf alice stop one --wait --timeout 40
ok "the daemon is up" daemon_up
done_testing
