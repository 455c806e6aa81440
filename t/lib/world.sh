# A small internet for one test.  Source before tap.sh: it starts t/lib/world.py, which see, and the test anew inside that world's `host`,
# so that everything the test starts, the rig first of all, runs there.  The machine's own network is not touched.  Nothing stays when the
# test ends, however it does: the namespaces are the world's, and the world ends with the test's process.
#
#   world JSON             asks the world;  world_log FILE   all that was heard and seen since `world '{"op": "clear"}'`
#   at PLACE CMD...        runs it there: host, lan, meta, net, client, the path of a network namespace, or the name of a server that runs
#                          (as root, from outside)
#   jobs PLACE             the jobs of standard input, done there (t/payload/net)
#   inside SERVER          the same, done by the payload inside the server, which must run

# shellcheck shell=bash
world_enter() {
    local i
    WORLD=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-world.XXXXXX") || exit 1
    /usr/bin/python3 -B "$(dirname "${BASH_SOURCE[0]}")/world.py" run "$WORLD/socket" >"$WORLD/log" 2>&1 &
    WORLD_PID=$!
    for ((i = 0; i < 600; i++)); do
        grep -qs '^world is up' "$WORLD/log" && break
        kill -0 $WORLD_PID 2>/dev/null || break
        sleep 0.05
    done
    if ! grep -qs '^world is up' "$WORLD/log"; then
        sed 's/^/# /' "$WORLD/log"
        kill $WORLD_PID 2>/dev/null
        rm -rf "$WORLD"
        echo "Bail out! no network namespaces"
        exit 1
    fi
    export WORLD WORLD_PID
    exec nsenter --net="$(world_path host)" "$0" "$@"
}
world() { /usr/bin/python3 -B "$(dirname "${BASH_SOURCE[0]}")/world.py" ask "$WORLD/socket" "$1"; }
world_path() { world '{"op": "where"}' | tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": \"\(.*\)\"/\1/p"; }
world_end() { kill "$WORLD_PID" && wait "$WORLD_PID" 2>/dev/null; rm -rf "$WORLD"; }
world_log() { world '{"op": "log"}' >"$1"; }

if [ "$(id -u)" = 0 ] && [ -z "${WORLD:-}" ] && command -v ip nsenter >/dev/null; then world_enter "$@"; fi

# What follows is for the test inside.
net_path() {
    case $1 in
    host|lan|meta|net|client) world_path "$1" ;;
    /*) echo "$1" ;;
    *) echo "/proc/$(field "$1" pid)/ns/net" ;;
    esac
}
at() { local place; place=$(net_path "$1" </dev/null); shift; nsenter --net="$place" "$@"; }
jobs() { at "$1" timeout -k 5 120 python3 -B "$HERE/t/payload/net" jobs; }
inside() {
    local who file=$TAP_TMP/job.$1 n
    who=$(owner_of "$1")
    cat >"$file"
    echo >>"$file.count"       # a file: this runs in subshells as well
    n=$(wc -l <"$file.count")
    printf 'put "%s" "/%s/job.new"\nrename "/%s/job.new" "/%s/job.%s.json"\n' "$file" "$1" "$1" "$1" "$n" | batch "$who" >/dev/null || return 1
    rm -f "$file.report"
    wait_until 90 job_done "$who" "$1" "$n" "$file.report" && cat "$file.report"
}
job_done() { batch "$1" <<<"get \"/$2/report.$3.json\" \"$4\"" && [ -s "$4" ]; }
