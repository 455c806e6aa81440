#!/bin/bash
# One server takes all it can get of what the kernel counts per user or for the whole machine: another server, and root, still get theirs.
# No daemon here: t/lib/sandbox_run gives the orders.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need prlimit
BUILD=$(cd "${BUILD:-build}" && pwd)
[ -x "$BUILD/t/lib/hoard" ] || skip_all "t/lib/hoard is not built"
scratch
chmod 755 "$SCRATCH"
base=$((65536 * (3000 + $$ % 20000)))
# Pending signals and locked memory as a machine of 1 GiB has them: with more it takes more servers to hoard them all.
SMALL=(prlimit --sigpending=4096 --memlock=65536)

folder() {   # NAME BASE
    mkdir "$SCRATCH/$1"
    cp "$BUILD/t/lib/hoard" "$SCRATCH/$1/"
    chown "$(($2 + 1000)):$(($2 + 1000))" "$SCRATCH/$1"
}
hoard() {   # FOLDER BASE KIND MOST [FILE]
    timeout 60 "${SMALL[@]}" "$BUILD/t/lib/sandbox_run" launch="$BUILD/holdfast-launch" init="$BUILD/holdfast-init" shim="$SCRATCH/stand_shim" dir="$SCRATCH/$1" \
        base="$2" nofile=65535 -- /home/server/hoard "${@:3}" 2>&1
}
cp "$BUILD/t/lib/stand_shim" "$SCRATCH/"   # where its uid may go
folder first $base
folder second $((base + 65536))

# What of each is enough to live on; in the words of t/lib/hoard.c.
all=1000000
while read -r kind most enough what; do
    go=$SCRATCH/first/go
    hoard first $base "$kind" "$most" /home/server/go >"$SCRATCH/hoarder" &
    hoarder=$!
    taken() { grep -q "^$kind " "$SCRATCH/hoarder"; }
    ok "$what: a server takes what it gets" wait_until 60 taken
    diag "$(grep -E "^($kind|done) " "$SCRATCH/hoarder")"
    is "$(hoard second $((base + 65536)) "$kind" "$enough" | grep "^$kind ")" "$kind $enough enough" "$what: another has its own"
    is "$("${SMALL[@]}" "$BUILD/t/lib/hoard" "$kind" "$enough")" "$kind $enough enough" "$what: root has its own"
    if [ "$kind" = instances ]; then
        owner=$((base + 65535))
        is "$(cat /proc/[0-9]*/status 2>/dev/null | grep -cE "^[UG]id:.*\<$owner\>")" 0 "nothing runs as the owner of its namespaces"
    fi
    : >"$go"
    wait $hoarder
    rm "$go"
done <<E2
instances $all 16   inotify's instances
watches   $all 1000 inotify's watches
queues    $all 2    message queues
signals   $all 64   queued signals
timers    $all 64   timers
locked    $all 4    locked pages
pipes     $all 8    pages of pipes
flight    $all 5    descriptors in flight
terminals $all 4    terminals
epoll     50000 1000 epoll's watches
E2

# Counted for the whole machine, to nobody: there is none for servers.
is "$(hoard first $base aio $all | grep '^aio ')" "aio 0 ENOSYS" "contexts of asynchronous input and output"
# What was made for it is counted to who made it: it does not grow.
is "$(hoard first $base stdio 3 | grep '^stdio ')" "stdio 0 EPERM" "the pages of its stdin, stdout and stderr"
done_testing
