#!/bin/bash
# Limits of an image that change under a server: at once, never above what was asked, whoever is killed in the middle.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need losetup mke2fs setpriv strace python3
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
[ -c /dev/loop-control ] || skip_all "no loop devices"
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 MiB=1048576
S=$SCRATCH/s D=$SCRATCH/s/servers
mkdir "$S"
down_all() { local m; for m in "$D"/*/; do ! mountpoint -q "$m" || umount "$m"; done; }
cleanup down_all
AS=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
install -m 0755 "$TAP_HERE/t/lib/filler.py" "$SCRATCH/filler"      # where one without privilege can read it
fill() { "${AS[@]}" python3 "$SCRATCH/filler" "$D/$1" "$2" "$3"; }
free_bytes() { echo $(($(stat -f -c '%a * %S' "$D/$1"))); }
free_inodes() { stat -f -c %d "$D/$1"; }
use() { "$CTL" use "$S" "$1" | cut -d' ' -f3,4; }
resize() { "$CTL" resize "$S" "$@"; }
# Whether it is as was asked, or all that is used: inodes that are to be held take their time, 20 s a call at most, and a slow machine is asked more than once.
held() { local got; got=$(resize "$1" "$2" "$3" | cut -d' ' -f1,2); [ "$got" = "$2 $3" ] || [ "$got" = "$2 $(use "$1" | cut -d' ' -f2)" ]; }
grows() { grep -q '^CapBnd:.*[13579bdf]......$' /proc/self/status; }   # bit 24, CAP_SYS_RESOURCE
# Samples of what it uses, for so many seconds: the most bytes and the most inodes.
most_used() {
    local end=$((SECONDS + $2)) b=0 i=0 u
    while [ $SECONDS -lt $end ]; do
        u=($(use "$1")); [ "${u[0]}" -le $b ] || b=${u[0]}; [ "${u[1]}" -le $i ] || i=${u[1]}
        sleep 0.02
    done
    echo "$b $i"
}

# --- smaller, while somebody writes ---------------------------------------------------------------------------------------------------------

ok "a disk" "$CTL" up "$S" one $((64 * MiB)) 20000 $UID_
atmost "$(($(stat -f -c '%b * %S' "$D/one") / MiB))" 70 "its size shown is about its limit (MiB)"
is "$(use one)" "0 0" "of which nothing is used"
"${AS[@]}" sh -c 'head -c 1000000 /dev/urandom >"$1/kept"' - "$D/one"; sum=$(sha256sum <"$D/one/kept")
fill one both +90 >"$TAP_TMP/filler" & filler=$!
wait_until 3 [ -e "$D/one/filled" ]
exits 0 "it shrinks under a server that fills it" resize one $((40 * MiB)) 600
read -r bytes inodes _ <<<"$out"
is "$bytes" $((40 * MiB)) "and tells what is in force"
most=($(most_used one 3))
wait $filler; is $? 0 "who was told nothing but that the disk is full: $(<"$TAP_TMP/filler")"
sync -f "$D/one"
atmost "${most[0]}" $((40 * MiB)) "never more than the new limit in bytes"
atmost "${most[1]}" "$inodes" "nor in inodes than what it said"
ok "all inodes that nobody uses are held" wait_until 300 held one $((40 * MiB)) 600
inodes=$(use one | cut -d' ' -f2)
is "$(free_inodes one)" 0 "no inode is left"
atmost "$(free_bytes one)" 8192 "nor space"
u=($(use one))
atleast "${u[0]}" $((40 * MiB - 8192)) "the limit was used to the end"
atleast "$inodes" 600 "to the last inode"

# --- below what is used ------------------------------------------------------------------------------------------------------------------------

exits 0 "below what is used" resize one $((16 * MiB)) 400
is "${out%% *}" $((16 * MiB)) "bytes are in force at once"
nok "nothing more can be written" "${AS[@]}" sh -c 'echo x >"$1/more" && sync "$1/more"' - "$D/one"
"${AS[@]}" truncate -s $((10 * MiB)) "$D/one/filled"; sync -f "$D/one"
before=$(use one)
is "$(free_bytes one)" $((16 * MiB - ${before% *})) "what was freed is the server's up to the new limit"
fill one bytes +90 >"$TAP_TMP/filler"; is $? 0 "it fills that: $(<"$TAP_TMP/filler")"
sync -f "$D/one"
read -r b _ <<<"$(use one)"
atmost "$b" $((16 * MiB)) "not a block past the limit"
atleast "$b" $((16 * MiB - 8192)) "and up to it"
atmost "$(use one | cut -d' ' -f2)" "$inodes" "inodes are at most what they were"
find "$D/one" -name "n[1-9]?*" -delete
ok "told again after it deleted, both are in force" wait_until 300 held one $((16 * MiB)) 400
is "$(free_inodes one)" $((400 - $(use one | cut -d' ' -f2))) "to the inode"
rm -f "$D/one"/n* "$D/one/filled"; sync -f "$D/one"
is "$(free_bytes one)" $((16 * MiB - $(use one | cut -d' ' -f1))) "emptied, it has what the limit leaves"
is "$(sha256sum <"$D/one/kept")" "$sum" "what was kept is whole"

# --- larger, while somebody writes ----------------------------------------------------------------------------------------------------------

fill one bytes 15 >"$TAP_TMP/filler" & filler=$!
wait_until 10 eval '[ "$(free_bytes one)" -le 8192 ]'
exits 0 "it grows under a server that has filled it" resize one $((60 * MiB)) 19000
is "${out% * *}" "$((60 * MiB)) 19000" "to what is in force"
most=($(most_used one 3))
wait_until 12 eval '[ "$(free_bytes one)" -le 8192 ]'
wait $filler; is $? 0 "who writes on: $(<"$TAP_TMP/filler")"
sync -f "$D/one"
atleast "$(use one | cut -d' ' -f1)" $((60 * MiB - 8192)) "to the new limit"
atmost "${most[0]}" $((60 * MiB)) "and never more"
rm "$D/one/filled"

exits 0 "past the size of the file system" resize one $((200 * MiB)) 30000
if grows; then
    is "${out% * *}" "$((200 * MiB)) 30000" "it grows in place"
    # Each group has inodes that must be held, for 20 s a call at most: a slow machine is asked more than once.
    # A hundred times: t/vm/disk.t.
    as_far() { [ "$(resize one $((1000 * MiB)) 30000 | cut -d' ' -f1,2)" = "$((1000 * MiB)) 30000" ]; }
    ok "15 times" wait_until 400 as_far
    is "$(free_bytes one)" $((1000 * MiB - $(use one | cut -d' ' -f1))) "to the block"
else
    like "$err" "cannot be reached while it is up.*CAP_SYS_RESOURCE is missing" "it cannot grow in place here, and says so"
    atleast "${out%% *}" $((60 * MiB)) "what is in force is told"
    is "$(free_bytes one)" $((${out%% *} - $(use one | cut -d' ' -f1))) "and is what is there"
fi
ok "down" "$CTL" down "$S" one
exits 0 "mounted anew" "$CTL" up "$S" one $((200 * MiB)) 30000 $UID_
is "${out% * *}" "$((200 * MiB)) 30000" "it has the limit"
is "$(free_bytes one) $(free_inodes one)" "$((200 * MiB - $(use one | cut -d' ' -f1))) $((30000 - $(use one | cut -d' ' -f2)))" "to the block and the inode"
is "$(sha256sum <"$D/one/kept")" "$sum" "what was kept is whole"
ok "down" "$CTL" down "$S" one

# --- a large one that shrinks for good ---------------------------------------------------------------------------------------------------------

ok "a large disk" "$CTL" up "$S" big $((4096 * MiB)) 20000 $UID_
"${AS[@]}" sh -c 'head -c 3000000 /dev/urandom >"$1/kept"' - "$D/big"; sum=$(sha256sum <"$D/big/kept")
ok "down" "$CTL" down "$S" big
exits 0 "is smaller when it is mounted anew" "$CTL" up "$S" big $((256 * MiB)) 5000 $UID_
is "${out% * *}" "$((256 * MiB)) 5000" "to the block and the inode"
atmost "$(stat -c %s "$D/big.img")" $((2048 * MiB)) "the image as well"
is "$(free_bytes big)" $((256 * MiB - $(use big | cut -d' ' -f1))) "all is the server's"
is "$(sha256sum <"$D/big/kept")" "$sum" "its data is whole"
ok "down" "$CTL" down "$S" big
ok "e2fsck finds nothing" e2fsck -fn "$D/big.img"

for more in "255 3000" "255 9000" "1000 9000"; do
    read -r m i <<<"$more"
    [ "$m$i" != 2553000 ] || { "$CTL" up "$S" more $((64 * MiB)) 3000 $UID_ >/dev/null 2>&1; "$CTL" down "$S" more; }
    exits 0 "from 64 MiB and 3000 inodes to $m MiB and $i" "$CTL" up "$S" more $((m * MiB)) "$i" $UID_
    is "${out%% *}" $((m * MiB)) "in one step"
    ok "down" "$CTL" down "$S" more
done

# --- killed at any point --------------------------------------------------------------------------------------------------------------------------

mkdir "$SCRATCH/k"; S=$SCRATCH/k D=$SCRATCH/k/servers
ok "a disk" "$CTL" up "$S" kill $((64 * MiB)) 4000 $UID_
"${AS[@]}" sh -c 'head -c 1000000 /dev/urandom >"$1/kept"' - "$D/kill"; sum=$(sha256sum <"$D/kill/kept")
over=
for ((i = 0; i < 60; i++)); do
    size=$((i % 2 ? 64 : 20)) inodes=$((i % 2 ? 4000 : 500))
    "$CTL" resize "$S" kill $((size * MiB)) $inodes >/dev/null 2>&1 & p=$!
    sleep "0.0$((i % 30 / 10))$((i % 10))"
    kill -9 $p 2>/dev/null; wait $p 2>/dev/null
    [ "$(free_bytes kill)" -le $((64 * MiB)) ] && [ "$(free_inodes kill)" -le 4000 ] || over+=" $i"
done
is "$over" "" "60 kills in a change of limits leave none above the larger"
exits 0 "the next one" resize kill $((64 * MiB)) 3000
is "$(free_bytes kill) $(free_inodes kill)" "$((64 * MiB - $(use kill | cut -d' ' -f1))) $((3000 - $(use kill | cut -d' ' -f2)))" "is exact"

# Each system call of it that changes something is its last one.
bad=
for call in mknodat:1 mknodat:50 write:1 unlinkat:1 unlinkat:50; do
    died=
    for size in 30 64; do
        strace -f -qq -o /dev/null -e inject="${call%:*}:signal=KILL:when=${call#*:}" "$CTL" resize "$S" kill $((size * MiB)) $((size * 40)) >/dev/null 2>&1
        [ $? != 137 ] || died+="$size "
        "$CTL" resize "$S" kill $((size * MiB)) $((size * 40)) >"$TAP_TMP/after" 2>&1 || bad+=" $call"
        [ "$(free_inodes kill)" = $((size * 40 - $(use kill | cut -d' ' -f2))) ] || bad+=" $call:$size"
    done
    # Less holds inodes, more gives them back; blocks change both ways.
    case $call in mknodat*) want="30 " ;; unlinkat*) want="64 " ;; *) want="30 64 " ;; esac
    [ "$died" = "$want" ] || bad+=" $call:died at $died"
done
is "$bad" "" "and after a death at each of its calls"

# As if the kernel would let us grow, but then it does not: the file is as it was.
if ! grows; then
    before=$(stat -c %s "$D/kill.img")
    run strace -f -qq -o "$TAP_TMP/trace" -e trace=prctl,ftruncate,ioctl -e inject=prctl:retval=1 "$CTL" resize "$S" kill $((300 * MiB)) 4000
    is $rc 0 "growth that the kernel refuses"
    like "$(<"$TAP_TMP/trace")" "ftruncate.*LOOP_SET_CAPACITY.*EPERM" "was tried"
    is "$(stat -c %s "$D/kill.img")" "$before" "leaves the image as it was"
    like "$err" "cannot be reached while it is up" "and is said"
    strace -f -qq -o /dev/null -e inject=prctl:retval=1 -e inject=ioctl:signal=KILL:when=2 "$CTL" resize "$S" kill $((300 * MiB)) 4000 >/dev/null 2>&1
    atleast "$(stat -c %s "$D/kill.img")" $((before + 1)) "killed after the image grew"
    ok "down" "$CTL" down "$S" kill
    exits 0 "the next up" "$CTL" up "$S" kill $((64 * MiB)) 4000 $UID_
    atmost "$(free_bytes kill)" $((64 * MiB)) "holds the limit"
fi
ok "down" "$CTL" down "$S" kill

# In the middle of the other size that is made while it is not mounted.
bad=
for ((i = 0; i < 40; i++)); do
    size=$((i % 2 ? 64 : 400))
    "$CTL" up "$S" kill $((size * MiB)) $((i % 2 ? 4000 : 9000)) $UID_ >/dev/null 2>&1 & p=$!
    sleep "0.$((i % 4))$((i * 7 % 10))"
    kill -9 $p 2>/dev/null; wait $p 2>/dev/null
    "$CTL" up "$S" kill $((size * MiB)) 4000 $UID_ >"$TAP_TMP/after" 2>&1 || bad+=" $i: $(tail -1 "$TAP_TMP/after")"
    [ "$(sha256sum <"$D/kill/kept")" = "$sum" ] || bad+=" $i: data"
    [ "$(free_bytes kill)" -le $((size * MiB)) ] || bad+=" $i: limit"
    "$CTL" down "$S" kill >/dev/null 2>&1 || bad+=" $i: down"
done
is "$bad" "" "40 kills in a change of size: every next up has the data, within the limit"
ok "e2fsck finds nothing" e2fsck -fn "$D/kill.img"
ok "up" "$CTL" up "$S" kill $((64 * MiB)) 4000 $UID_
is "$(free_bytes kill)" $((64 * MiB - $(use kill | cut -d' ' -f1))) "exactly the limit"
ok "down" "$CTL" down "$S" kill
is "$(find "$D" -maxdepth 1 -name '*resized*' | wc -l)" 0 "no half-made image lies about"
ok "no loop device is left" wait_until 5 eval '! losetup -nl -O BACK-FILE | grep -qF "$SCRATCH/"'
is "$(grep -cF "$SCRATCH" /proc/self/mountinfo)" 0 "nor a mount"
done_testing
