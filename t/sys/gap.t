#!/bin/bash
# While the packet filter's table is laid anew, in each way that there is and some hundred times, not one packet gets where it must not.
. "$(dirname "$0")/../lib/tap.sh"
HERE=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-$HERE/build}
[ -x "$BUILD/holdfast-filter" ] || bail "no $BUILD/holdfast-filter"
need_root
need ip nft nsenter python3
scratch
. "$HERE/t/lib/filter_net.sh"

# It counts until FIFO is closed.
counter() {
    mkfifo "$SCRATCH/$1.go"
    within "$1" "$HERE/t/lib/gap.py" count "${@:2}" <"$SCRATCH/$1.go" >"$SCRATCH/$1" & counters+=($!)
}
end_all() { local p; for p in $(jobs -p); do kill "$p" 2>/dev/null; done; wait; }
counters=()
cleanup end_all
counter $host host=7003
counter $world free=7000 lan=7001 denied=7002 forged=7005
counter $two server=7004
exec 7>"$SCRATCH/$host.go" 8>"$SCRATCH/$world.go" 9>"$SCRATCH/$two.go"
for n in $host $world $two; do wait_until 10 grep -q ready "$SCRATCH/$n" || bail "a counter does not start"; done

within $host "$HERE/t/lib/gap_rig.py" "$BUILD/holdfast-filter" "${GAP_SECONDS:-12}" "$SCRATCH/log" >"$SCRATCH/rig" 2>&1 7>&- 8>&- 9>&- & rig=$!
wait_until 20 grep -q ready "$SCRATCH/rig" || bail "no filter: $(cat "$SCRATCH/rig")"
mkfifo "$SCRATCH/go"
probe() { within $one "$HERE/t/lib/gap.py" "$@" <"$SCRATCH/go" 6>&- 7>&- 8>&- 9>&- & probes+=($!); }
probes=()
forbidden="203.0.113.1,7003 192.168.7.9,7001 198.51.100.9,7002 10.213.0.6,7004 10.213.0.1,7003"
forbidden6="2001:db8::1,7003 fd77::1,7001 fd00::6,7004"
# shellcheck disable=SC2086
{
    probe flood $forbidden $forbidden6 >"$SCRATCH/flood"
    probe flood 10.213.0.77 198.51.100.9,7005 >"$SCRATCH/forge"
    probe connect 198.51.100.9,7000 $forbidden $forbidden6 >"$SCRATCH/connect"
}
exec 6>"$SCRATCH/go"
wait $rig
code=$?
exec 6>&-
wait "${probes[@]}"
is $code 0 "the filter did all it was told: $(grep -v ready "$SCRATCH/rig" | xargs)"
is "$(grep -c 'filter.ready' "$SCRATCH/log"; grep 'filter.replaced' "$SCRATCH/log")" "$(awk '$1 == "reload" || $1 == "restart" { n += $2 } END { print n + 1 }' "$SCRATCH/rig")" \
    "and never deleted its table"
exec 7>&- 8>&- 9>&-
wait "${counters[@]}"
cat "$SCRATCH/$host" "$SCRATCH/$world" "$SCRATCH/$two" >"$SCRATCH/counts"
read -r _ sent <"$SCRATCH/flood"
read -r _ forged <"$SCRATCH/forge"
read -r _ made _ lost _ tried _ <"$SCRATCH/connect"
rebuilt=$(awk '$1 == "reload" || $1 == "restart" { n += $2 } END { print n }' "$SCRATCH/rig")
atleast "$sent" 10000 "datagrams all the while"
atleast "$forged" 5000 "and forged ones"
atleast "$tried" 200 "and connections"
atleast "$rebuilt" 50 "and as often the rules were told anew"
for kind in host lan denied server forged; do
    for proto in udp tcp; do
        is "$(awk -v kind=$kind -v proto=$proto '$1 == kind && $2 == proto { print $3 }' "$SCRATCH/counts")" 0 "$proto: none got where it must not: $kind"
    done
done
atleast "$made" 20 "connections that may are made"
is "$lost" 0 "and none of them was lost"
done_testing
