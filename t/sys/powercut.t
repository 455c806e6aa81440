#!/bin/bash
# The image backend after a power cut: what the disk below had not flushed is lost or torn (t/lib/cutdisk.c), as dm-flakey or dm-log-writes would
# have it where the kernel has a device mapper.  Limits hold, what was synced is whole, it serves again.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need losetup mke2fs e2fsck setpriv python3
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl CUT=$BUILD/t/lib/cutdisk FILLER=$BUILD/t/lib/quota_filler
for p in "$CTL" "$CUT" "$FILLER"; do [ -x "$p" ] || skip_all "no $p: 'make check' builds it"; done
[ -c /dev/loop-control ] || skip_all "no loop devices"
[ -c /dev/fuse ] || skip_all "no FUSE"
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 BYTES=$((32 << 20)) INODES=3000 CUTS=8
AS_USER=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
S=$SCRATCH/s D=$SCRATCH/s/servers/cut
end_all() { local p m; for p in ${work:-} ${orders:-} ${fill:-} $(pgrep -u $UID_); do kill -9 "$p" 2>/dev/null; done; sleep 0.2
    for m in "$SCRATCH"/*/servers/cut "$SCRATCH"/s/servers/cut.img "$SCRATCH/fuse"; do ! mountpoint -q "$m" || umount "$m" || umount -l "$m"; done
    sleep 0.5; ! mountpoint -q "$S/servers/cut.img" || umount -l "$S/servers/cut.img"
    [ -z "${cutter:-}" ] || kill "$cutter" 2>/dev/null; sleep 0.2; }
cleanup end_all

# Made as ever, then laid on the disk that can be cut.
mkdir "$S" "$SCRATCH/fuse"
ok "a disk is made" "$CTL" up "$S" cut $BYTES $INODES $UID_
ok "and down" "$CTL" down "$S" cut
mv "$S/servers/cut.img" "$SCRATCH/below.img"
: >"$S/servers/cut.img"
"$CUT" "$SCRATCH/fuse" "$SCRATCH/below.img" "$SCRATCH/torn" 2>"$SCRATCH/cuts" & cutter=$!
ok "its file is on a disk that can be cut" wait_until 10 test -s "$SCRATCH/fuse/disk"
mount --bind "$SCRATCH/fuse/disk" "$S/servers/cut.img"
ok "up" "$CTL" up "$S" cut $BYTES $INODES $UID_

touch "$SCRATCH/log"; chown $UID_ "$SCRATCH/log"
mkdir "$D/w" "$D/f" 2>/dev/null || "${AS_USER[@]}" mkdir "$D/w" "$D/f"
cp "$TAP_HERE/t/lib/cut_work.py" "$FILLER" "$SCRATCH/"; chmod 0755 "$SCRATCH"/cut_work.py "$SCRATCH/quota_filler"
# Half the disk is the filler's, which meets the limit over and over.
"${AS_USER[@]}" python3 -B "$SCRATCH/cut_work.py" work "$D/w" "$SCRATCH/log" 2>"$SCRATCH/work.err" & work=$!
rounds() { while kill -0 $work 2>/dev/null; do echo "row threads"; sleep 0.4; echo clean; echo "row sparse"; sleep 0.3; echo clean; echo "row killed"; sleep 1; echo clean; done; }
mkfifo "$SCRATCH/orders"
(cd "$D/f" && exec "${AS_USER[@]}" "$SCRATCH/quota_filler" $BYTES $INODES) <"$SCRATCH/orders" >/dev/null 2>&1 & fill=$!
rounds >"$SCRATCH/orders" 2>/dev/null & orders=$!

for ((i = 1; i <= CUTS; i++)); do
    sleep "1.$((RANDOM % 10))"
    # What was synced by now is what must be there.
    cp "$SCRATCH/log" "$SCRATCH/log.$i"
    kill -USR1 $cutter
    wait_until 20 grep -q "^cut $i:" "$SCRATCH/cuts" || fail "cut $i"
done
ok "the writer wrote on until the end" kill -0 $work
# The filler's children as well: nobody else has their uid.
for p in $work $orders $fill $(pgrep -u $UID_); do kill -9 "$p" 2>/dev/null; done
wait $work $fill $orders 2>/dev/null
diag "$(<"$SCRATCH/cuts")"
atleast "$(sed 's/.*: \([0-9]*\) of.*/\1/' "$SCRATCH/cuts" | awk '{ n += $1 } END { print n + 0 }')" 10 "and writes were lost"

for ((i = 1; i <= CUTS; i++)); do
    T=$SCRATCH/t$i
    mkdir -p "$T/servers"; mv "$SCRATCH/torn.$i" "$T/servers/cut.img"; chmod 0600 "$T/servers/cut.img"
    ok "cut $i: it comes up" "$CTL" up "$T" cut $BYTES $INODES $UID_
    free=$(($(stat -f -c '%a * %S' "$T/servers/cut")))
    taken=$(du -s -B1 "$T/servers/cut" | cut -f1)
    atmost $((free + taken)) $((BYTES + BYTES / 50 + 8192)) "cut $i: what is there and what is free are the limit"
    atmost "$(stat -f -c %d "$T/servers/cut")" $INODES "cut $i: of inodes too"
    run "${AS_USER[@]}" python3 -B "$SCRATCH/cut_work.py" check "$T/servers/cut/w" "$SCRATCH/log.$i"
    is "$rc" 0 "cut $i: every file that was synced is whole (bad: $out)"
    rm -rf "$T/servers/cut/f"; sync -f "$T/servers/cut"
    ok "cut $i: it takes files again" "${AS_USER[@]}" sh -c "head -c 500000 /dev/zero >'$T/servers/cut/again' && sync '$T/servers/cut/again'"
    run "${AS_USER[@]}" dd if=/dev/zero of="$T/servers/cut/all" bs=1M count=64
    like "$err" "No space left" "cut $i: to its limit and not further"
    ok "cut $i: down" "$CTL" down "$T" cut
    ok "cut $i: and is in order" e2fsck -fn "$T/servers/cut.img"
    rm -rf "$T"
done
done_testing
