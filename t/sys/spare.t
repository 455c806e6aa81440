#!/bin/bash
# One launch is kept waiting for the next start: who it is, what it becomes, what is done without it, and that it ends with the daemon.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
restart = never
[server two]
restart = never
E2
rig_up --ini "$SCRATCH/more.ini"
put_run one <"$HERE/t/payload/echo"
put_run two <"$HERE/t/payload/echo"
one_waits() { [ "$(spare_pids | wc -l)" = 1 ]; }
tool_reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
state() { tr '\n' ' ' <"/proc/$1/status"; }
group() { sed -n "s,^[0-9]*::,,p" "/proc/$1/cgroup"; }

ok "one waits" wait_until 20 one_waits
spare=$(spare_pids)
is "$(awk '$1 == "PPid:" { print $2 }' "/proc/$spare/status")" "$SERVER_PID" "it is the daemon's child"
is "$(ls "/proc/$spare/fd" | tr '\n' ' ')" "0 1 2 3 " "with nothing but the log and its link"
diag "its memory: $(awk '$1 ~ /^(Pss|Pss_Anon|Private_Dirty):/ { printf "%s %s KiB, ", $1, $2 }' "/proc/$spare/smaps_rollup")"

exits 0 "a start" started one
shim=$(role_pids shim)
is "$shim" "$spare" "the one that waited is the shim now"
like "$(state "$shim")" "Uid:	$SHIM_UID	$SHIM_UID	$SHIM_UID	" "with the shim's uid"
for set in Prm Eff Bnd; do like "$(state "$shim")" "Cap$set:	0{16} " "Cap$set is empty"; done
ok "and another waits" wait_until 20 one_waits
isnt "$(spare_pids)" "$spare" "a new one"
is "$(group "$(spare_pids)")" "$(group "$shim")" "it is in the shims' group before it has a job"

kill -KILL "$(spare_pids)"
exits 0 "a start without it" started two
is "$(role_pids shim | wc -l)" 2 "both have their shim"
ok "then one waits again" wait_until 20 one_waits

hf alice kill one --wait --timeout 20 >/dev/null; hf alice kill two --wait --timeout 20 >/dev/null
started one & a=$!; started two & b=$!
wait $a; is $? 0 "two at once: the first"
wait $b; is $? 0 "and the second"
ok "then one waits" wait_until 20 one_waits
exits 0 "a reload" tool_reload
ok "a reload leaves one" one_waits

spare=$(spare_pids)
kill -KILL "$SERVER_PID"
none_waits() { [ -z "$(spare_pids)" ]; }
ok "it ends with the daemon, however that ends" wait_until 10 none_waits
is "$(role_pids shim | wc -l)" 2 "the servers' shims do not"
text=$("$HERE/t/rig" start "$PREFIX" 2>&1) || diag "$text"
eval "$(grep '^SERVER_PID=' <<<"$text")"
ok "the next daemon keeps one" wait_until 20 one_waits
done_testing
