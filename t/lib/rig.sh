# What the system tests share: a rig, its clients, and questions to it.  Source after tap.sh.
#
#   rig_up [--ini FILE]...   starts one (skips the file without root), ends it with the test; a failed end is a failed test
#   hf WHO VERB...           ssh with that account's key; hf_from ADDRESS WHO VERB... comes from another loopback address
#   put WHO LOCAL REMOTE     one file by sftp;  batch WHO < commands    an sftp batch
#   put_run SERVER < script  uploads ./run, executable, for the owner of SERVER
#   field SERVER KEY         one value of `status SERVER --json`
#   as_server SERVER CMD...  in its files, as their owner: whom the mount does not map, root among them, makes nothing there
#   state_is SERVER STATE, started SERVER, stopped SERVER, address SERVER
#   left_of SERVER           pids of whoever has one of the ids of that server's users
#   role_pids ROLE           pids of holdfast-ROLE of this rig ("d" is the daemon's program); of launch those that have a job
#   spare_pids               pids of launches that wait for a job

# shellcheck shell=bash
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

rig_up() {
    need_root
    need ssh sftp ssh-keygen python3 ss ip losetup
    local text
    text=$("$HERE/t/rig" up "$@" 2>"$TAP_TMP/rig") || { diag "$(cat "$TAP_TMP/rig")"; bail "t/rig up failed"; }
    eval "$text"
    export PREFIX
    cleanup rig_end
    SSH=(ssh -F "$SSH_CONFIG" -o ServerAliveInterval=20)
    SFTP=(sftp -F "$SSH_CONFIG")
}
rig_end() {
    if [ $tap_failed -gt 0 ]; then
        mkdir -p "${TMPDIR:-/tmp}/holdfast-failed"
        cp "$LOG" "${TMPDIR:-/tmp}/holdfast-failed/$(basename "$0").log"
        diag "the daemon's log is kept in ${TMPDIR:-/tmp}/holdfast-failed/$(basename "$0").log; it ends:" >&3
        diag "$(tail -n 15 "$LOG" | cut -c1-300)" >&3
    fi
    "$HERE/t/rig" down "$PREFIX"
} 2>&1
exec 3>&1

owner_of() { case $1 in three) echo bob ;; *) echo alice ;; esac; }
hf() { local who=$1; shift; timeout -k 5 "$RUN_BOUND" "${SSH[@]}" "$who" "$@"; }
hf_from() { local from=$1 who=$2; shift 2; timeout -k 5 "$RUN_BOUND" "${SSH[@]}" -b "$from" "$who" "$@"; }
batch() { timeout -k 5 "$RUN_BOUND" "${SFTP[@]}" -b - "$1"; }
put() { printf 'put "%s" "%s"\n' "$2" "$3" | batch "$1"; }
put_run() {
    local f=$TAP_TMP/run.$1
    cat >"$f"; chmod 0755 "$f"
    printf -- '-rm "/%s/run"\nput -p "%s" "/%s/run"\n' "$1" "$f" "$1" | batch "$(owner_of "$1")" >/dev/null
}
as_server() {
    local d=$PREFIX/state/servers/$1 u
    shift
    u=$(stat -c %u "$d")
    (cd "$d" && exec setpriv --reuid "$u" --regid "$u" --clear-groups -- "$@")
}
field() {
    hf "$(owner_of "$1")" status "$1" --json 2>/dev/null | python3 -c '
import json, sys
for line in sys.stdin:
    v = json.loads(line).get(sys.argv[1])
    print("" if v is None else json.dumps(v) if isinstance(v, (list, dict, bool)) else v)
    break' "$2"
}
state_is() { [ "$(field "$1" state)" = "$2" ]; }
started() { hf "$(owner_of "$1")" start "$1" --wait --timeout 30; }
stopped() { hf "$(owner_of "$1")" stop "$1" --wait --timeout 40; }
killed() { hf "$(owner_of "$1")" kill "$1" --wait --timeout 20; }
# Each server has a /30 of its own; the inside address is in status, or follows from the pool.
address() { field "$1" address; }
left_of() {
    local u
    u=$(($(stat -c %u "$PREFIX/state/servers/$1") - 1000))
    grep -sH '^Uid:' /proc/[0-9]*/status | awk -v u=$u '$2 + 0 >= u && $2 + 0 < u + 65536 { split($1, p, "/"); print p[3] }'
}
role_pids() {
    local d
    for d in /proc/[0-9]*; do
        [[ $(readlink "$d/exe" 2>/dev/null) == "$PREFIX/libexec/holdfast-$1"* ]] || continue
        [ "$1" != launch ] || ! waits "$d" || continue
        echo "${d#/proc/}"
    done
}
# The launch that is kept for the next start: it has no descriptor but the first four.
waits() { local fds=("$1"/fd/*); [ ${#fds[@]} -le 4 ]; }
spare_pids() { local d; for d in /proc/[0-9]*; do [[ $(readlink "$d/exe" 2>/dev/null) == "$PREFIX/libexec/holdfast-launch" ]] && waits "$d" && echo "${d#/proc/}"; done; }
# The daemon's own store, without the helpers of the same program.
store_pid() { local p; for p in $(role_pids store); do [ "$(awk '$1 == "PPid:" { print $2 }' "/proc/$p/status" 2>/dev/null)" = "$SERVER_PID" ] && echo "$p"; done; }
# script_results SECONDS SCRIPT ARGUMENT...: the results of a script of t/lib (results.py), that it ran to its end, and that no invariant broke meanwhile.  The scratch folder is where we are.
script_results() {
    timeout "$1" "$HERE/t/lib/$2" "${@:3}" >out 2>err
    local code=$?
    import_results out ""
    is "$code" 0 "the script ran to its end"
    [ "$code" = 0 ] || diag "$(tail -n 5 err)"
    unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
}
alive() { kill -0 "$1" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$1/status"; }
daemon_up() { alive "$SERVER_PID" && hf alice true; }
json_ok() { python3 -c '
import json, sys
n = 0
for line in sys.stdin:
    o = json.loads(line)
    assert isinstance(o, dict), line
    missing = [k for k in sys.argv[1:] if k not in o]
    assert not missing, f"missing {missing} in {line}"
    n += 1
assert n, "no line"' "$@"; }
logged() { grep -qE -- "$1" "$LOG"; }
