#!/bin/bash
# vm: kernels 6.1 6.12
# vm: bound 2400
# The backend `btrfs` on a kernel without simple quotas (6.1) and on Debian's with them (6.12): which are switched on and what is said, the limit, what is
# made inside, a death while it is made and deleted.  All of it, on the machine's own kernel: t/sys/btrfs.t.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need mkfs.btrfs btrfs losetup setpriv python3 strace
CTL=${BUILD:-$TAP_HERE/build}/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
modprobe btrfs 2>/dev/null
RUN_BOUND=900
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 MB=1048576 F=$SCRATCH/fs S=$SCRATCH/fs/state D=$SCRATCH/fs/state/servers
AS_USER=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
TRY=(python3 -B "$TAP_HERE/t/lib/btrfs_try.py")
SIMPLE=no
[ ! -e /sys/fs/btrfs/features/simple_quota ] || SIMPLE=yes
lower() { local m; for m in $(awk -v s="$SCRATCH/" 'index($5, s) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount "$m"; done; }
cleanup lower
truncate -s 1G "$SCRATCH/fs.img" && mkfs.btrfs -q "$SCRATCH/fs.img" && mkdir "$F" && mount -o loop "$SCRATCH/fs.img" "$F" && mkdir "$S" || bail "no btrfs here"
Q=/sys/fs/btrfs/$(findmnt -no UUID "$F")/qgroups
ctl() { "$CTL" -b btrfs "$1" "$S" "${@:2}"; }
up() { ctl up "$1" "$2" 1000000000 $UID_; }
used() { sync -f "$F"; ctl use a 2>/dev/null | sed -n 's/.* used=\([0-9]*\).*/\1/p'; }
left() { btrfs subvolume list "$F"; btrfs qgroup show "$F" 2>/dev/null | awk '$1 ~ "^[0-9]+/[0-9]+$" && $1 != "0/5" { print $1 }'; ls "$D" | grep '^@'; }
nothing_left() { sync -f "$F"; ctl drop nobody && [ -z "$(left)" ]; }

ok "it fits" ctl fit a
if [ $SIMPLE = yes ]; then
    like "$err" "switches simple ones on" "with simple quotas"
    ok "up" up a $((32 * MB))
    like "$err" "simple quotas are on from now on; kernels before 6.7 cannot mount" "as is said"
    is "$(cat "$Q/mode")" squota "simple ones it is"
else
    like "$err" "switches full ones on" "with full quotas"
    ok "up" up a $((32 * MB))
    like "$err" "full quotas are on from now on; this kernel knows no simple ones" "as is said"
    like "$err" "nothing but the sandbox's filter of system calls keeps subvolumes" "and what they do not hold"
fi
nok "a file is held to the limit" "${AS_USER[@]}" dd if=/dev/zero of="$D/a/data" bs=1M count=64
like "$err" "Disk quota exceeded" "by EDQUOT"
atmost "$(used)" $((32 * MB)) "within the limit"
atleast "$(used)" $((31 * MB)) "and up to it"
ok "deleting works at the limit" "${AS_USER[@]}" rm "$D/a/data"
atmost "$(used)" 262144 "all is free again"
for kind in about small; do
    run "${TRY[@]}" storm $UID_ "$D/a" "$Q/1_$(btrfs inspect-internal rootid "$D/@a")/referenced" $((32 * MB)) $kind 20
    diag "$kind: $out$err"
    atmost "$(sed -n 's/highest=\([0-9]*\).*/\1/p' <<<"$out")" $((32 * MB)) "eight writers, $kind: never above it"
    ok "deleted by its owner" "${AS_USER[@]}" find "$D/a" -mindepth 1 -delete
done
ok "16 MiB" "${AS_USER[@]}" dd if=/dev/zero of="$D/a/data" bs=1M count=16 conv=fsync
ok "the limit is lowered below that" ctl resize a $((8 * MB)) 1000000000 $UID_
nok "nothing can be written" "${AS_USER[@]}" dd if=/dev/zero of="$D/a/more" bs=64k count=1 conv=fsync
ok "deleting works" "${AS_USER[@]}" rm "$D/a/data"
ok "the limit is raised" ctl resize a $((32 * MB)) 1000000000 $UID_
rm -f "$D/a/more"

ok "a subvolume made inside (outside the sandbox)" "${TRY[@]}" make $UID_ "$D/a" inner
run "${AS_USER[@]}" dd if=/dev/zero of="$D/a/inner/data" bs=1M count=48 conv=fsync
if [ $SIMPLE = yes ]; then
    isnt "$rc" 0 "is held to the limit"
    atmost "$(used)" $((32 * MB)) "with the rest"
else
    is "$rc" 0 "is not: the sandbox's filter is all that is before it"
fi
rm -f "$D/a/inner/data"
sync -f "$F"
ok "one with groups of its own (outside the sandbox)" "${TRY[@]}" make $UID_ "$D/a" outer free
"${AS_USER[@]}" dd if=/dev/zero of="$D/a/outer/data" bs=1M count=48 conv=fsync 2>/dev/null
sync -f "$F"
run ctl use a
like "$err" "was not counted, and is now" "use takes in what is outside the group"
sync -f "$F"
nok "after which nothing can be written there" "${AS_USER[@]}" dd if=/dev/zero of="$D/a/inner/more" bs=1M count=1 conv=fsync
ok "down" ctl down a
ok "drop" ctl drop a
ok "nothing is left" wait_until 60 nothing_left
nothing_left || diag "$(left)"

# Killed at some of the system calls: as many as an emulated machine does in some minutes.
MISSED=
cut() {
    strace -qq -o /dev/null -e signal=none -e inject="$1:signal=KILL:when=$2" "$CTL" -b btrfs "${@:3}" >/dev/null 2>&1
    [ $? = 137 ] || MISSED+=" $3:$1:$2"
}
for call in "ioctl 2" "ioctl 7" "ioctl 9" "ioctl 12" "mkdirat 1" "renameat 1" "syncfs 1" "move_mount 1"; do
    cut ${call} up "$S" k $((8 * MB)) 1000000000 $UID_
    run up k $((8 * MB))
    is "$rc $(cat "$Q/1_$(btrfs inspect-internal rootid "$D/@k")/max_referenced")" "0 $((8 * MB))" "up killed at $call: the next one completes it"
    ctl down k >/dev/null 2>&1
    # These are none of drop's.
    case $call in syncfs*|move_mount*) ok "drop" ctl drop k; continue ;; esac
    cut ${call} drop "$S" k
    ok "drop killed at $call: the next one completes it" ctl drop k
done
is "$MISSED" "" "each call was there to be killed at"
ok "nothing is left" wait_until 60 nothing_left
nothing_left || diag "$(left)"
done_testing
