#!/bin/bash
# A launch killed in the middle, at every system call that launch, its helper and the sandbox's first process make: nothing of it is left, the server
# is failed and says who died, and the next start works.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -x "${BUILD:-build}/t/lib/cutter" ] || skip_all "t/lib/cutter is not built"
BUILD=$(cd "${BUILD:-build}" && pwd)
export BUILD
scratch

# --- launch alone: every call, and each of its processes -------------------------------------------------------------------------------------

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
: >"$SCRATCH/cut"
"$BUILD/t/lib/cutter" -p "$SERVER_PID" -f "$SCRATCH/cut" -o "$SCRATCH/log" 2>"$SCRATCH/cutter" & cutter=$!
cleanup kill $cutter
wait_until 5 grep -qs "^TracerPid:.*$cutter" "/proc/$SERVER_PID/status" || bail "cannot watch the daemon: $(<"$SCRATCH/cutter")"
cg=$("$TOOL" --run "$RUN" server show one | sed -n 's/^cgroup //p')
uids=$("$TOOL" --run "$RUN" server show one | sed -n 's/^uids \([0-9]*\) .*/\1/p')
export SSH_CONFIG RUN SLICE
python3 -B "$HERE/t/lib/cut_daemon.py" "$SCRATCH/cut" "$SCRATCH/log" "$ctl" "$cg" "$uids" >"$SCRATCH/daemon" 2>&1
is $? 0 "starts under the daemon were cut"
import_results "$SCRATCH/daemon" "under the daemon: "
exits 0 "the next start works" hf alice start one --wait --timeout 30
exits 0 "and a stop" hf alice stop one --wait --timeout 40
ok "the daemon is up" daemon_up
done_testing
