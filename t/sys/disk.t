#!/bin/bash
# The image backend: limits to the block and the inode, cycles side by side, a death in the middle of making.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need losetup mke2fs findmnt setpriv
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
[ -c /dev/loop-control ] || skip_all "no loop devices"
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678

down_all() { local m; for m in "$SCRATCH"/*/servers/*/; do ! mountpoint -q "$m" || umount "$m"; done; }
cleanup down_all
loops() { losetup -nl -O BACK-FILE | grep -cF "$SCRATCH/"; }
AS_USER=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
free_bytes() { echo $(($(stat -f -c '%a * %S' "$1"))); }
free_inodes() { stat -f -c %d "$1"; }
# State folder, name, bytes, inodes: what is free must be the bytes exactly and the inodes at most.
limits_hold() {
    local state=$1 name=$2 bytes=$3 inodes=$4 slack=$5 d=$1/servers/$2
    ok "$name: up" "$CTL" up "$state" "$name" "$bytes" "$inodes" $UID_
    is "$(free_bytes "$d")" $((bytes / 4096 * 4096)) "$name: free to a user is the limit of $bytes bytes"
    atmost "$(free_inodes "$d")" "$inodes" "$name: inodes are within the limit of $inodes"
    atleast "$(free_inodes "$d")" $((inodes - slack)) "$name: and near it"
}

mkdir "$SCRATCH/a"
S=$SCRATCH/a D=$SCRATCH/a/servers
limits_hold "$S" small 1048576 100 16
limits_hold "$S" odd 3000001 999 16
limits_hold "$S" full 67108864 20000 16
limits_hold "$S" large 10737418240 100000 1300
limits_hold "$S" many 5368709120 1000000 700

is "$(findmnt -no FSTYPE "$D/full")" ext4 "it is ext4"
like "$(findmnt -no OPTIONS "$D/full")" "nosuid,nodev" "nosuid and nodev"
is "$(stat -c '%u:%g %a' "$D/full")" "$UID_:$UID_ 750" "the root folder is the owner's, 0750"
is "$(stat -c '%u %a' "$D/full.img")" "0 600" "the image is root's, 0600"
is "$(ls -A "$D/full")" "" "an empty disk shows nothing"
atmost "$(du -k "$D/full.img" | cut -f1)" 1024 "an empty image takes KiB"
is "$(losetup -nl -O DIO,AUTOCLEAR -j "$D/full.img" | tr -s ' ')" " 1 1" "direct IO, cleared by itself"

# To the last byte, by one who has no privilege.
run "${AS_USER[@]}" dd if=/dev/zero of="$D/full/data" bs=1M count=100
like "$err" "No space left on device" "a user fills it until ENOSPC"
# While the kernel writes back, what gets its place counts twice for a moment, and a large write near the end can be refused early: once that is
# over the rest can be had.
for i in 1 2 3; do
    sync -f "$D/full"
    run "${AS_USER[@]}" dd if=/dev/zero bs=4k of="$D/full/data" oflag=append conv=notrunc count=20000
    [ "$(stat -c %s "$D/full/data")" -lt 67108864 ] || break
done
is "$(stat -c %s "$D/full/data")" 67108864 "with exactly the limit in one file"
sync -f "$D/full"
is "$(free_bytes "$D/full")" 0 "nothing is free then"
nok "not a byte more by writing" "${AS_USER[@]}" sh -c "echo x >'$D/full/more' && sync '$D/full/more'"
nok "not by fallocate" "${AS_USER[@]}" fallocate -l 4096 "$D/full/more"
nok "not by fallocate -n" "${AS_USER[@]}" fallocate -n -l 1M "$D/full/more"
ok "a sparse file's holes are free" "${AS_USER[@]}" truncate -s 1G "$D/full/sparse"
nok "but not its data" "${AS_USER[@]}" dd if=/dev/zero of="$D/full/sparse" bs=64k count=1 conv=notrunc,fsync
rm -f "$D/full/data" "$D/full/sparse" "$D/full/more"
sync -f "$D/full"
is "$(free_bytes "$D/full")" 67108864 "all is free again"

# Empty files, until there are no inodes.
left=$(free_inodes "$D/full")
"${AS_USER[@]}" bash -c 'cd "$1" && i=0; while ((i < 30000)) && { : >"f$i"; } 2>/dev/null; do i=$((i + 1)); done; echo $i' - "$D/full" >"$TAP_TMP/made"
is "$(<"$TAP_TMP/made")" "$left" "a user can make as many files as inodes were free"
is "$(free_inodes "$D/full")" 0 "no inode is left"
find "$D/full" -mindepth 1 -name 'f*' -delete

# Any size with any number of inodes: the bytes exactly; the inodes near below the limit, but at most one a KiB and at least one block of 16 in
# each group of 128 MiB.
grid() {
    local size inodes bytes most least d=$SCRATCH/g/servers/grid
    mkdir "$SCRATCH/g"
    for size in 4M 5M 8M 16M 64M 100M 1G 10G 100G; do
        for inodes in 16 100 1000 20000 100000 1000000 1000000000; do
            bytes=$(numfmt --from=iec $size)
            most=$((inodes < bytes / 1024 ? inodes : bytes / 1024))
            least=$(((bytes / 134217728 + 4) * 16))
            "$CTL" up "$SCRATCH/g" grid "$bytes" "$inodes" $UID_ >"$TAP_TMP/grid" 2>&1 || { echo "$size $inodes: $(<"$TAP_TMP/grid")"; continue; }
            [ "$(free_bytes "$d")" = "$bytes" ] || echo "$size $inodes: $(free_bytes "$d") bytes"
            [ "$(free_inodes "$d")" -le $((most > least ? most : least)) ] || echo "$size $inodes: $(free_inodes "$d") inodes, too many"
            [ "$(free_inodes "$d")" -ge $((most - most / 50 - least)) ] || echo "$size $inodes: $(free_inodes "$d") inodes, too few"
            grep -q "disk made.* bytes=$bytes inodes=$(free_inodes "$d")\$" "$TAP_TMP/grid" || echo "$size $inodes: $(<"$TAP_TMP/grid")"
            "$CTL" up "$SCRATCH/g" grid "$bytes" "$inodes" $UID_ 2>&1 >/dev/null
            "$CTL" down "$SCRATCH/g" grid 2>&1 >/dev/null
            rm -f "$SCRATCH/g/servers/grid.img"
        done
    done
}
is "$(grid)" "" "any size has a disk with any number of inodes, and says its limits"

ok "up again is harmless" "$CTL" up "$S" full 67108864 20000 $UID_
is "$err" "" "and silent"
ok "another limit" "$CTL" up "$S" full 57108864 15000 $UID_
used() { "$CTL" use "$S" "$1" | cut -d' ' -f3; }   # its root folder has grown
is "$(($(free_bytes "$D/full") + $(used full))) $(free_inodes "$D/full")" "57106432 15000" "is in force"
ok "as the one before" "$CTL" up "$S" full 67108864 20000 $UID_
is "$(($(free_bytes "$D/full") + $(used full)))" 67108864 "then is"

# Busy, and what is not ours.
"${AS_USER[@]}" sleep 60 <"$D/full" & sleeper=$!
exits 1 "down of a busy disk fails" "$CTL" down "$S" full
like "$err" "servers/full is in use, by process [0-9]+" "and names who holds it"
ok "it is still mounted" mountpoint -q "$D/full"
kill $sleeper; wait $sleeper 2>/dev/null
mkdir "$D/foreign"; mount -t tmpfs none "$D/foreign"
exits 1 "another's mount is not ours to use" "$CTL" up "$S" foreign 1048576 100 $UID_
exits 1 "nor to take away" "$CTL" down "$S" foreign
umount "$D/foreign"
exits 1 "a bad name is refused" "$CTL" up "$S" ../x 1048576 100 $UID_

# Deleted data goes back to the host at down, and data stays.
"${AS_USER[@]}" dd if=/dev/zero of="$D/large/big" bs=1M count=64 conv=fsync 2>/dev/null
"${AS_USER[@]}" sh -c "echo kept >'$D/large/kept'"
rm "$D/large/big"
ok "down" "$CTL" down "$S" large
atmost "$(du -k "$D/large.img" | cut -f1)" 40000 "the host has freed space back (KiB)"
ok "down again is harmless" "$CTL" down "$S" large
ok "up" "$CTL" up "$S" large 10737418240 100000 $UID_
is "$(cat "$D/large/kept")" kept "data is there again"

# As after a power cut: a copy of the image under way, its journal dirty.
"${AS_USER[@]}" sh -c "echo one >'$D/large/one'"; sync -f "$D/large"
cp --sparse=always "$D/large.img" "$D/cut.img"; chmod 0600 "$D/cut.img"
ok "an image with a dirty journal mounts" "$CTL" up "$S" cut 10737418240 100000 $UID_
is "$(cat "$D/cut/one")" one "with what was synced"
ok "down" "$CTL" down "$S" cut
# A damaged one: the first superblock is gone, which e2fsck -p leaves to a person.
dd if=/dev/zero of="$D/cut.img" bs=1024 seek=1 count=1 conv=notrunc 2>/dev/null
exits 1 "a destroyed superblock is an error" "$CTL" up "$S" cut 10737418240 100000 $UID_
like "$err" "e2fsck|superblock" "that says so"

# Another mount namespace took a copy of the mount: the next up must share its file system, not open the image twice.
unshare -m --propagation private sleep 60 & copier=$!
wait_until 5 grep -qsF "$D/full" "/proc/$copier/mountinfo"
ok "down, while a copy of the mount is elsewhere" "$CTL" down "$S" full
like "$err" "loop device is not free" "is logged"
ok "up" "$CTL" up "$S" full 67108864 20000 $UID_
is "$(losetup -nl -O NAME -j "$D/full.img" | wc -l)" 1 "one device has the image"
"${AS_USER[@]}" sh -c "echo shared >'$D/full/shared'"
is "$(cat "/proc/$copier/root$D/full/shared" 2>/dev/null || nsenter -t $copier -m cat "$D/full/shared")" shared "both see one file system"
rm "$D/full/shared"
kill $copier; wait $copier 2>/dev/null

for n in small odd full large many; do "$CTL" down "$S" $n || fail "down $n"; done
is "$(loops)" 0 "no loop device is left"
is "$(grep -cF "$SCRATCH" /proc/self/mountinfo)" 0 "no mount is left"

# Side by side, different names and one name.
mkdir "$SCRATCH/p"
cycles() {
    local i
    for ((i = 0; i < 15; i++)); do
        "$CTL" up "$SCRATCH/p" "$1" 8388608 200 $UID_ && "$CTL" down "$SCRATCH/p" "$1" || return 1
    done
}
pids=()
for n in a b c d e f g same same same; do
    cycles $n >"$TAP_TMP/cycle.$n.${#pids[@]}" 2>&1 & pids+=($!)
done
bad=0
for p in "${pids[@]}"; do wait "$p" || bad=$((bad + 1)); done
is $bad 0 "150 cycles, ten at a time, three of them on one name"
[ $bad = 0 ] || diag "$(cat "$TAP_TMP"/cycle.* | grep -v 'disk made' | head)"
is "$(loops)" 0 "no loop device is left"

# kill -9 at any time from the start of making to the mount.
mkdir "$SCRATCH/k"
for ((i = 0; i < 60; i++)); do
    "$CTL" up "$SCRATCH/k" kill 67108864 20000 $UID_ >/dev/null 2>&1 & p=$!
    sleep "0.0$((i % 30 / 10))$((i % 10))"
    kill -9 $p 2>/dev/null; wait $p 2>/dev/null
    [ $((i % 3)) = 0 ] && { "$CTL" down "$SCRATCH/k" kill 2>/dev/null; rm -f "$SCRATCH/k/servers/kill.img"; }
done
ok "up after 60 kills" "$CTL" up "$SCRATCH/k" kill 67108864 20000 $UID_
is "$(free_bytes "$SCRATCH/k/servers/kill")" 67108864 "with its whole limit"
is "$(ls -A "$SCRATCH/k/servers" | tr '\n' ' ')" ".kill.lock .kill.quota kill kill.img " "no half-made file lies about"
ok "down" "$CTL" down "$SCRATCH/k" kill
ok "no loop device is left" wait_until 5 eval '[ "$(loops)" = 0 ]'
[ "$(loops)" = 0 ] || diag "$(losetup -nl -O NAME,BACK-FILE | grep -F "$SCRATCH/")"
done_testing
