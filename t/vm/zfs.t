#!/bin/bash
# vm: zfs
# vm: bound 2400
# The backend `zfs` on a pool in a file: datasets made, limited, mounted, moved and destroyed by zfs(8); what refquota and projectobjquota hold, and how late.
# t/vm/zfs makes the modules and tools; without them there is one skipped test.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
CTL=${BUILD:-$TAP_HERE/build}/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
depmod -a 2>/dev/null; ldconfig 2>/dev/null
if ! command -v zpool >/dev/null || ! modprobe zfs; then
    skip "ZFS" "no zfs module or tools: t/vm/zfs builds them"
    done_testing
    exit
fi
RUN_BOUND=600
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 MIB=1048576
AS_USER=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
diag "$(zfs version | tr '\n' ' ')"
truncate -s 1G "$SCRATCH/image"
wait_until 30 test -c /dev/zfs
ok "a pool" zpool create -f -O mountpoint="$SCRATCH/pool" -O compression=off hfpool "$SCRATCH/image"
cleanup zpool destroy -f hfpool
S=$SCRATCH/pool
ctl() { local verb=$1 name=$2; shift 2; "$CTL" -b zfs "$verb" "$S" "$name" "$@"; }
told() { sed -n "s/.*\\b$1=\([0-9]*\).*/\1/p" <<<"$2"; }
value() { zfs get -Hp -o value "$1" "$2" 2>&1; }
unmount_all() { local m; for m in "$S"/servers/*/; do ! mountpoint -q "$m" || umount "$m"; done; }
cleanup unmount_all

mkdir "$SCRATCH/plain"
exits 1 "another file system is not fit" "$CTL" -b zfs fit "$SCRATCH/plain" one
like "$err" "not on ZFS" "and is told why"
ok "fit" ctl fit one
exits 1 "no files yet" ctl has one
ok "up" ctl up one $((16 * MIB)) 300 $UID_ 7
is "$(told bytes "$out") $(told inodes "$out")" "$((16 * MIB)) 300" "with the limits"
is "$(value refquota hfpool/one) $(value holdfast:server hfpool/one) $(value mountpoint hfpool/one)" "$((16 * MIB)) one legacy" "as a dataset"
is $(($(value userobjquota@$UID_ hfpool/one) + $(value userobjquota@1000 hfpool/one))) 300 "with a quota of objects, of the files' owner on the disk"
is "$(findmnt -no FSTYPE,SOURCE "$S/servers/one" | tr -s ' ')" "zfs hfpool/one" "mounted"
like "$(findmnt -no OPTIONS "$S/servers/one")" "nosuid.*nodev|nodev.*nosuid" "nosuid and nodev"
is "$(stat -c '%u:%g %a' "$S/servers/one")" "$UID_:$UID_ 750" "as the owner's"
ok "up again is harmless" ctl up one $((16 * MIB)) 300 $UID_ 7
is "$(grep -c " $S/servers/one " /proc/self/mountinfo)" 1 "one mount"
ok "has" ctl has one

# How much more than its limit one gets who writes as fast as he can, before and after it is on the disk.
d=$S/servers/one
"${AS_USER[@]}" dd if=/dev/urandom of="$d/data" bs=64k 2>"$TAP_TMP/dd"
like "$(cat "$TAP_TMP/dd")" "Disk quota exceeded|No space left" "writing ends with quota full"
zpool sync hfpool
over=$(($(value referenced hfpool/one) - 16 * MIB))
diag "above refquota after writing: $over bytes"
atmost $over $MIB "what is referred to is at most a MiB above the limit"
nok "nothing more can be written" "${AS_USER[@]}" dd if=/dev/urandom of="$d/more" bs=1M count=2 conv=fsync
"${AS_USER[@]}" rm -f "$d/data" "$d/more"; zpool sync hfpool
made=$("${AS_USER[@]}" bash -c 'cd "$1" && i=0; while ((i < 2000)) && { : >"f$i"; } 2>/dev/null; do i=$((i + 1)); done; echo $i' - "$d")
diag "made at once with a limit of 300 inodes: $made"
zpool sync hfpool
nok "no more inodes once they are counted" "${AS_USER[@]}" touch "$d/another"
for kind in "ln -s x" mkfifo mkdir "python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])'"; do
    nok "of any kind: ${kind%% -c*}" "${AS_USER[@]}" sh -c "$kind '$d/another'"
done
read -r all free < <(stat -f -c '%c %d' "$d")
is "$((all - free > made && all - free < made + 20))" 1 "statfs shows the inodes in use, with the dataset's own: $((all - free)), $made made"
ok "use" ctl use one 0 0 0 7
atleast "$(told used_inodes "$out")" 300 "tells the inodes"
find "$d" -name 'f*' -delete; zpool sync hfpool

# With a project number, which ZFS gives to files and folders alone, each of these is EXDEV.
ok "links, pipes and sockets can be linked and renamed" "${AS_USER[@]}" python3 - "$d" <<'E2'
import os, socket, sys
os.chdir(sys.argv[1])
os.symlink("nowhere", "s0")
os.mkfifo("p0")
socket.socket(socket.AF_UNIX).bind("u0")
os.mkdir("folder")
for name in "s0", "p0", "u0":
    os.link(name, name + "-too", follow_symlinks=False)
    os.rename(name, name + "-new")
    os.rename(name + "-new", "folder/" + name)
    os.link("folder/" + name, name, follow_symlinks=False)
E2
"${AS_USER[@]}" rm -rf "$d/folder" "$d"/[spu]0*; zpool sync hfpool

"${AS_USER[@]}" dd if=/dev/urandom of="$d/data" bs=1M count=8 conv=fsync 2>/dev/null; zpool sync hfpool
ok "a limit below what is used" ctl resize one $((4 * MIB)) 300 $UID_ 7
atleast "$(told bytes "$out")" $((8 * MIB)) "is what is used, and answered"
like "$err" "above its limit" "and said"
nok "nothing more can be written" "${AS_USER[@]}" dd if=/dev/urandom of="$d/more" bs=1M count=2 conv=fsync
ok "a disk without room gets another limit of inodes" ctl resize one $((4 * MIB)) 250 $UID_ 7
is $(($(value userobjquota@$UID_ hfpool/one) + $(value userobjquota@1000 hfpool/one))) 250 "which is in force"
ok "and comes up" ctl up one $((4 * MIB)) 250 $UID_ 7
nok "with nothing more to be written" "${AS_USER[@]}" dd if=/dev/urandom of="$d/more" bs=1M count=2 conv=fsync
"${AS_USER[@]}" rm -f "$d/data" "$d/more"; zpool sync hfpool
ok "once it is below" ctl resize one $((4 * MIB)) 300 $UID_ 7
is "$(told bytes "$out")" $((4 * MIB)) "the limit is what it should be"

"${AS_USER[@]}" sh -c "echo kept >'$d/kept'"
ok "down" ctl down one
ok "down again is harmless" ctl down one
ok "up" ctl up one $((16 * MIB)) 300 $UID_ 7
is "$(cat "$d/kept")" kept "data is there again"
exits 1 "what is mounted is not dropped" ctl drop one 0 0 0 7
ok "down" ctl down one
zfs snapshot hfpool/one@mine
exits 1 "neither is what has a snapshot" ctl drop one 0 0 0 7
is "$(value type hfpool/one@mine)" snapshot "which stays"
zfs destroy hfpool/one@mine
ok "drop" ctl drop one 0 0 0 7
exits 1 "has not" ctl has one
zfs create -o mountpoint=legacy hfpool/foreign
exits 1 "another's dataset is not ours to use" ctl up foreign $MIB 100 $UID_ 8
like "$err" "hfpool/foreign is there" "and is named"
exits 1 "nor to delete" ctl drop foreign 0 0 0 8
is "$(value type hfpool/foreign)" filesystem "it stays"
ok "files of a migration" ctl up .moved.new $((16 * MIB)) 300 $UID_ 9
is "$(value holdfast:server hfpool/moved:new)" moved "have a name of their own"
ok "down" ctl down .moved.new
ok "and then the server's" ctl move .moved.new
ok "moved again is harmless" ctl move .moved.new
ok "up" ctl up moved $((16 * MIB)) 300 $UID_ 9
ok "down" ctl down moved
for ((i = 0; i < 8; i++)); do
    ctl up kill $((4 * MIB)) 100 $UID_ 11 >/dev/null 2>&1 & p=$!
    sleep "0.$i"; kill -9 $p 2>/dev/null; wait $p 2>/dev/null
    ((i % 3)) || { ctl down kill; ctl drop kill 0 0 0 11; } >/dev/null 2>&1
done
ok "up after 8 kills" ctl up kill $((4 * MIB)) 100 $UID_ 11
ok "down" ctl down kill
is "$(grep -c " $S/servers/" /proc/self/mountinfo)" 0 "no mount is left"
done_testing
