#!/bin/bash
# vm: kernels 6.1 6.12
# vm: bound 1500
# Images that grow while they are mounted and written to, which asks for CAP_SYS_RESOURCE: 10 times, 100 times, in steps, inodes alone, whoever is
# killed in the middle.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need losetup mke2fs resize2fs setpriv python3
CTL=${BUILD:-$TAP_HERE/build}/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
RUN_BOUND=300
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 MiB=1048576
TREE=16384      # what maps a file whose data has been accepted comes out of what the kernel keeps (quota/limit.h)
S=$SCRATCH/s D=$SCRATCH/s/servers
mkdir "$S"
WRITER=
end_all() { local m; [ -z "$WRITER" ] || kill "$WRITER" 2>/dev/null; for m in "$D"/*/; do ! mountpoint -q "$m" || umount "$m"; done; }
cleanup end_all
AS=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
install -m 0755 "$TAP_HERE/t/lib/filler.py" "$SCRATCH/filler"      # where one without privilege can read it
free_bytes() { echo $(($(stat -f -c '%a * %S' "$D/$1"))); }
free_inodes() { stat -f -c %d "$D/$1"; }
use() { "$CTL" use "$S" "$1" | cut -d' ' -f3,4; }
resize() { "$CTL" resize "$S" "$@"; }
write() { "${AS[@]}" python3 "$SCRATCH/filler" "$D/$1" "$2" 100000 >"$TAP_TMP/writer" 2>&1 & WRITER=$!; }
stop() {
    if kill -0 "$WRITER" 2>/dev/null; then pass "$1"; else fail "$1"; diag "$(<"$TAP_TMP/writer")"; fi
    kill "$WRITER"; wait "$WRITER" 2>/dev/null; WRITER=
}
keep() { "${AS[@]}" sh -c 'head -c 1000000 /dev/urandom >"$1/kept"' - "$D/$1"; sum=$(sha256sum <"$D/$1/kept"); }
# What it has in use and what is free, nobody writing: the limit, to the block and the inode.
exact() {
    local u
    sync -f "$D/$1"
    u=($(use "$1"))
    is "$(($(free_bytes "$1") + u[0])) $(($(free_inodes "$1") + u[1]))" "$2 $3" "$4: to the block and the inode"
}
most_used() {
    local end=$((SECONDS + $2)) b=0 i=0 u
    while [ $SECONDS -lt $end ]; do
        u=($(use "$1")); [ "${u[0]}" -le $b ] || b=${u[0]}; [ "${u[1]}" -le $i ] || i=${u[1]}
    done
    echo "$b $i"
}
blocks() { dumpe2fs -h "$D/$1.img" 2>/dev/null | sed -n 's/^Block count: *//p'; }

# --- under one who writes -----------------------------------------------------------------------------------------------------------------

ok "a disk" "$CTL" up "$S" one $((4 * MiB)) 200 $UID_
keep one
before=$(blocks one)
write one both
ok "it is filled" wait_until 120 eval '[ "$(free_bytes one)" -le 8192 ] && [ "$(free_inodes one)" = 0 ]'
for step in "40 2000 10 times" "400 4000 100 times" "402 4000 by little" "430 4000 by more" "440 9000 with inodes"; do
    read -r m inodes words <<<"$step"
    exits 0 "$words: it grows under who writes" resize one $((m * MiB)) "$inodes"
    is "${out% * *}" "$((m * MiB)) $inodes" "$words: in force at once"
    unlike "$err" "cannot be reached" "$words: and nothing else is said"
    most=($(most_used one 5))
    atmost "${most[0]}" $((m * MiB + TREE)) "$words: never more bytes"
    atmost "${most[1]}" "$inodes" "$words: nor inodes"
done
stop "who wrote saw nothing but a full disk"
atleast "$(blocks one)" $((before * 50)) "the file system itself has grown"
exact one $((440 * MiB)) 9000 "grown"
# All of it can be had, and no more.
"${AS[@]}" dd if=/dev/zero of="$D/one/all" bs=1M conv=fsync status=none 2>/dev/null
sync -f "$D/one"
atmost "$(free_bytes one)" 8192 "it is the server's to the end"
atleast "$(use one | cut -d' ' -f1)" $((440 * MiB - 8192)) "all of it"
atmost "$(use one | cut -d' ' -f1)" $((440 * MiB + TREE)) "and not a block more but of what maps it"

# --- smaller, at once ---------------------------------------------------------------------------------------------------------------------

find "$D/one" -type f ! -name kept -delete
write one both
ok "who writes is at work" wait_until 60 eval '[ "$(stat -c %s "$D/one/filled")" -gt $MiB ]'
exits 0 "it shrinks under who writes" resize one $((12 * MiB)) 2000
is "${out%% *}" $((12 * MiB)) "at once"
bound=$(cut -d' ' -f2 <<<"$out")
ok "who fills it" wait_until 120 eval '[ "$(free_bytes one)" -le 8192 ]'
most=($(most_used one 5))
atmost "${most[0]}" $((12 * MiB + TREE)) "has never more bytes than that"
atmost "${most[1]}" "$bound" "nor inodes than it said"
stop "who wrote was told the disk is full"
exits 0 "and is grown again" resize one $((200 * MiB)) 9000
exact one $((200 * MiB)) 9000 "grown again"
is "$(sha256sum <"$D/one/kept")" "$sum" "what was kept is whole"
ok "down" "$CTL" down "$S" one
ok "e2fsck finds nothing" e2fsck -fn "$D/one.img"
exits 0 "mounted anew" "$CTL" up "$S" one $((200 * MiB)) 9000 $UID_
exact one $((200 * MiB)) 9000 "mounted anew"
ok "down" "$CTL" down "$S" one

# --- past what it can grow to ------------------------------------------------------------------------------------------------------------

ok "a disk" "$CTL" up "$S" far $((4 * MiB)) 200 $UID_
exits 0 "to more than its layout can describe" resize far $((64 * 1024 * 1024 * MiB)) 200
like "$err" "cannot be reached while it is up.*at most to [0-9]+ MiB in place" "is said, with the most"
exact far "$(cut -d' ' -f1 <<<"$out")" "$(cut -d' ' -f2 <<<"$out")" "and what is in force is what it said"
ok "down" "$CTL" down "$S" far

# --- killed at any point -----------------------------------------------------------------------------------------------------------------

ok "a disk" "$CTL" up "$S" kill $((8 * MiB)) 300 $UID_
keep kill
write kill both
# What was added last may not be held yet: a group, as dumpe2fs tells it.
read -r more_bytes more_inodes <<<"$((128 * MiB)) $(dumpe2fs -h "$D/kill.img" 2>/dev/null | sed -n 's/^Inodes per group: *//p')"
over=
for ((i = 0; i < 20; i++)); do
    size=$((8 + i * 10)) inodes=$((300 + i * 100))
    "$CTL" resize "$S" kill $((size * MiB)) $inodes >/dev/null 2>&1 & p=$!
    sleep "0.$((i % 5))$((i * 7 % 10))"
    kill -9 $p 2>/dev/null; wait $p 2>/dev/null
    u=($(use kill))
    [ "${u[0]}" -le $((size * MiB + more_bytes)) ] || over+=" $i:${u[0]}"
    [ "${u[1]}" -le $((inodes + more_inodes)) ] || over+=" $i:${u[1]}"
done
is "$over" "" "20 kills in growth leave nobody with more than the larger and a group"
stop "and who writes sees nothing of it"
exits 0 "the next one" resize kill $((250 * MiB)) 3000
exact kill $((250 * MiB)) 3000 "after the kills"
is "$(sha256sum <"$D/kill/kept")" "$sum" "what was kept is whole"
ok "down" "$CTL" down "$S" kill
ok "e2fsck finds nothing" e2fsck -fn "$D/kill.img"

# Each kind of system call that changes something is its last one.  Every round asks for more than a group, so that each of them grows.
bad= size=8
ok "a disk" "$CTL" up "$S" calls $((8 * MiB)) 300 $UID_
for call in ftruncate:1 ioctl:2 ioctl:3 ioctl:4 write:1 mknodat:1 mknodat:200 syncfs:1; do
    size=$((size + 140))
    timeout 60 strace -f -qq -o /dev/null -e inject="${call%:*}:signal=KILL:when=${call#*:}" "$CTL" resize "$S" calls $((size * MiB)) 700 >/dev/null 2>&1
    [ $? = 137 ] || bad+=" $call:not called"
    "$CTL" resize "$S" calls $((size * MiB)) 700 >"$TAP_TMP/after" 2>&1 || bad+=" $call:$(tail -n 1 "$TAP_TMP/after")"
    sync -f "$D/calls"
    u=($(use calls))
    [ "$(($(free_bytes calls) + u[0])) $(($(free_inodes calls) + u[1]))" = "$((size * MiB)) 700" ] || bad+=" $call:$(free_bytes calls)+${u[*]}"
done
is "$bad" "" "after a death at each of these calls the next one is exact"
ok "down" "$CTL" down "$S" calls
ok "e2fsck finds nothing" e2fsck -fn "$D/calls.img"
ok "no loop device is left" wait_until 30 eval '! losetup -nl -O BACK-FILE | grep -qF "$SCRATCH/"'
is "$(grep -cF "$SCRATCH" /proc/self/mountinfo)" 0 "nor a mount"
done_testing
