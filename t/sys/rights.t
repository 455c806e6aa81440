#!/bin/bash
# RIGHTS against /proc of every running process: uid, groups, capabilities, no_new_privs, filter, descriptors.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
rig_up
put_run one <"$HERE/t/payload/echo"
put_run three <"$HERE/t/payload/echo"
started one >/dev/null 2>&1
started three >/dev/null 2>&1
mkfifo "$SCRATCH/hold"
# Four sessions at work: one with a file and a folder open, one at a console, one with an rsync, one at a prompt.
head -c 30M /dev/urandom >"$SCRATCH/slow"
timeout 120 sftp -F "$SSH_CONFIG" -l 4000 -b <(printf 'put %s /one/slow\n' "$SCRATCH/slow") alice >/dev/null 2>&1 & slow=$!
timeout 120 "${SSH[@]}" bob console three <"$SCRATCH/hold" >/dev/null 2>&1 & view=$!
timeout 120 "${SSH[@]}" alice "rsync --server --sender -r . /two" <"$SCRATCH/hold" >/dev/null 2>&1 & copy=$!
timeout 120 "${SSH[@]}" -tt alice <"$SCRATCH/hold" >/dev/null 2>&1 & typed=$!
exec 8>"$SCRATCH/hold"
cleanup kill $slow $view $copy $typed
at_work() { [ "$(role_pids session | wc -l)" -ge 4 ] && [ "$(role_pids prompt | wc -l)" -ge 1 ] && [ "$(role_pids shim | wc -l)" -ge 3 ] && [ "$(role_pids files | wc -l)" -ge 1 ]; }
ok "four sessions are at work" wait_until 15 at_work
sleep 0.5
timeout 60 python3 "$HERE/t/lib/rights.py" look "$PREFIX" >"$SCRATCH/results" 2>&1
is $? 0 "all were looked at"
import_results "$SCRATCH/results" ""

s1=$(role_pids session | head -n 1) s2=$(role_pids session | tail -n 1)
isnt "$(awk '$1 == "Uid:" { print $2 }' "/proc/$s1/status")" "$(awk '$1 == "Uid:" { print $2 }' "/proc/$s2/status")" "each session has a uid of its own"
ok "a session cannot be read by another uid" bash -c "! setpriv --reuid 1234 --clear-groups cat /proc/$s1/environ >/dev/null 2>&1"
for p in $(role_pids ""); do
    case $(readlink "/proc/$p/exe") in */holdfastd) continue ;; esac
    [ "$(tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -cv '^\(PATH=/usr/sbin:/usr/bin:/sbin:/bin\|LC_ALL=C.UTF-8\|\)$')" = 0 ] || bad_env="${bad_env:-} $p"
done
is "${bad_env:-}" "" "no role has more of an environment than PATH and LC_ALL"
exec 8>&-; kill $slow $view $copy $typed 2>/dev/null; wait $slow $view $copy $typed 2>/dev/null; unset 'tap_stack[-1]'

timeout 30 python3 "$HERE/t/lib/rights.py" watch "$PREFIX" 25 holdfast-archive >"$SCRATCH/results" 2>&1 & watcher=$!
put alice "$SCRATCH/slow" /one/incompressible >/dev/null
hf alice backup create one >/dev/null 2>&1
hf alice backup create one >/dev/null 2>&1
wait $watcher
import_results "$SCRATCH/results" "a backup: "
timeout 30 python3 "$HERE/t/lib/rights.py" watch "$PREFIX" 10 holdfast-launch >"$SCRATCH/results" 2>&1 & watcher=$!
for i in 1 2 3; do hf alice restart one --wait --timeout 20 >/dev/null 2>&1; done
wait $watcher
import_results "$SCRATCH/results" "a start: "

# --- the files of an installation ---------------------------------------------------------------------------------------------------------

is "$(stat -c '%a %u' "$PREFIX/state/store" 2>/dev/null)" "700 $STORE_UID" "the store's folder is its own alone"
is "$(find "$PREFIX/state/store" -not -uid "$STORE_UID" 2>/dev/null)" "" "and so is all in it"
is "$(find "$CONFIG" -type f -not -name "*.pub" -perm /077 2>/dev/null)" "" "no file of the configuration is readable by others"
is "$(stat -c %u "$RUN"/holdfast.sock 2>/dev/null)" 0 "the admin socket is root's"
nok "and nobody else's" setpriv --reuid 1234 --clear-groups "$TOOL" --run "$RUN" status
world=$(find "$PREFIX/state" "$PREFIX/run" -xdev -perm -0002 -not -type l 2>/dev/null)
is "$world" "" "nothing in state or run is writable by everybody"
ok "the daemon is up" daemon_up
done_testing
