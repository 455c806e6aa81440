#!/bin/bash
# Images that are damaged, cut, not ours, or whose host is full: clear words, nothing lost that need not be, and they serve again.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need losetup mke2fs e2fsck debugfs setpriv
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
[ -c /dev/loop-control ] || skip_all "no loop devices"
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 MiB=1048576 SIZE=$((300 * 1048576))
S=$SCRATCH/s D=$SCRATCH/s/servers
mkdir "$S" "$SCRATCH/host"
down_all() {
    local m
    for m in "$D"/*/ "$SCRATCH"/host/servers/*/ "$SCRATCH/host"; do ! mountpoint -q "$m" || umount "$m"; done
}
cleanup down_all
AS=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
up() { "$CTL" up "$S" "$1" $SIZE 5000 $UID_; }
down() { "$CTL" down "$S" "$1"; }
copy() { cp --sparse=always "$D/good.img" "$D/$1.img"; chmod 0600 "$D/$1.img"; }
bug() { debugfs -w -R "$2" "$D/$1.img" >/dev/null 2>&1; }

ok "a disk" up good
"${AS[@]}" sh -c 'cd "$1" && mkdir sub && head -c 2000000 /dev/urandom >data && echo inner >sub/inner' - "$D/good"
sum=$(sha256sum <"$D/good/data")
ok "down" down good

# --- what the kernel marked -------------------------------------------------------------------------------------------------------------------

copy marked; bug marked "set_super_value state 2"
exits 0 "an image that the kernel found an error in" up marked
like "$err" "disk has errors, checking.*disk checked repaired=" "is checked first"
is "$(sha256sum <"$D/marked/data")" "$sum" "its data is there"
ok "down" down marked
exits 0 "the next up" up marked
unlike "$err" "checking" "has nothing to check"

loop=$(findmnt -vno SOURCE "$D/marked")
echo test >"/sys/fs/ext4/${loop#/dev/}/trigger_fs_error"
nok "an error under a running server stops its writes" "${AS[@]}" sh -c 'echo x >"$1/new" && sync "$1/new"' - "$D/marked"
exits 0 "it is started again" up marked
like "$err" "disk had errors, mounting it anew.*disk checked" "the disk is checked and mounted anew"
ok "and written" "${AS[@]}" sh -c 'echo x >"$1/new" && sync "$1/new"' - "$D/marked"
is "$(sha256sum <"$D/marked/data")" "$sum" "its data is there"
ok "down" down marked

# --- a person must decide ---------------------------------------------------------------------------------------------------------------------

copy torn; bug torn "clri /files/sub"; bug torn "set_super_value state 2"
exits 1 "what cannot be mended without a loss is left alone" up torn
like "$err" "a person must decide server=torn run=\"e2fsck -fy $D/torn.img\"" "and the log says what to run"
nok "nothing is mounted" mountpoint -q "$D/torn"
e2fsck -fy "$D/torn.img" >/dev/null 2>&1
exits 0 "when it was" up torn
like "$err" "files that had lost their names are in lost.found of the server" "the log says that something was found"
is "$("${AS[@]}" sh -c 'cat "$1"/lost+found/*' - "$D/torn")" inner "its owner has it in lost+found"
is "$(stat -c %u "$D/torn/lost+found")" "$UID_" "a folder of its own"
ok "and may remove it" "${AS[@]}" rm -r "$D/torn/lost+found"
is "$(sha256sum <"$D/torn/data")" "$sum" "the other data is whole"
ok "down" down torn

copy trap; ok "one whose server has a link of that name" up trap
"${AS[@]}" ln -s /etc "$D/trap/lost+found"; ok "down" down trap
bug trap "clri /files/sub"; e2fsck -fy "$D/trap.img" >/dev/null 2>&1
exits 0 "is mounted" up trap
is "$(readlink "$D/trap/lost+found") $(cat "$D"/trap/lost+found.1/*)" "/etc inner" "and nothing goes through the link"
ok "down" down trap

copy super; dd if=/dev/zero of="$D/super.img" bs=1024 seek=1 count=1 conv=notrunc 2>/dev/null
exits 1 "a superblock that is gone" up super
like "$err" "super.img: superblock: there is no ext4 file system in the image" "is an error that says so"
like "$err" "e2fsck -fy -b 32768 -B 4096 $D/super.img" "and how to take a copy of it"
e2fsck -fy -b 32768 -B 4096 "$D/super.img" >/dev/null 2>&1
exits 0 "with the copy" up super
is "$(sha256sum <"$D/super/data")" "$sum" "everything is there"
ok "down" down super

copy cut; truncate -s 100M "$D/cut.img"
exits 1 "an image that was cut" up cut
like "$err" "servers/cut.img was cut: it has 104857600 bytes, its file system [0-9]+" "is an error with both sizes"
: >"$D/none.img"; chmod 0600 "$D/none.img"
exits 1 "an empty one" up none
like "$err" "none.img: superblock: there is no ext4" "is not made anew"
truncate -s 64M "$D/small.img"; chmod 0600 "$D/small.img"; mke2fs -q -F -b 1024 "$D/small.img"
exits 1 "one of other blocks" up small
like "$err" "its blocks are not of 4096 bytes" "is refused"
copy big; truncate -s 3G "$D/big.img"
exits 0 "one that is larger than its file system" up big
is "$(($(stat -f -c '%a * %S' "$D/big")))" $((SIZE - $("$CTL" use "$S" big | cut -d' ' -f3))) "has its limit"
ok "down" down big
is "$(findmnt -rno TARGET | grep -c "^$D/")" 0 "nothing is left mounted"

# --- the host is full ---------------------------------------------------------------------------------------------------------------------------

truncate -s 200M "$SCRATCH/host.img"; mke2fs -q -F -t ext4 -m 0 "$SCRATCH/host.img" 2>/dev/null && mount -o loop "$SCRATCH/host.img" "$SCRATCH/host" || bail "no host file system"
S=$SCRATCH/host D=$SCRATCH/host/servers
ok "a disk on a host that has less than it promised" up full
"${AS[@]}" sh -c 'head -c 2000000 /dev/urandom >"$1/data"' - "$D/full"; sync -f "$D/full"; sum=$(sha256sum <"$D/full/data")
fallocate -l 100M "$SCRATCH/host/filler" || bail "no filler"
run "${AS[@]}" dd if=/dev/zero of="$D/full/fill" bs=1M count=150 conv=fsync
isnt $rc 0 "a write that finds no room there fails: $(tail -1 <<<"$err")"
is "$(sha256sum <"$D/full/data")" "$sum" "what was written before is read"
rm "$SCRATCH/host/filler"
exits 0 "with room again it is started" up full
ok "and serves" "${AS[@]}" sh -c 'rm -f "$1/fill"; head -c 3000000 /dev/zero >"$1/more" && sync "$1/more"' - "$D/full"
is "$(sha256sum <"$D/full/data")" "$sum" "its data is whole"
ok "down" down full
exits 0 "up" up full
is "$(sha256sum <"$D/full/data")" "$sum" "also when it is mounted anew"

# A new disk whose first minute is the host's last: nothing it had before that is lost with its journal.
rm -f "$D/full/more"; down full; fallocate -l 140M "$SCRATCH/host/filler" || bail "no filler"
SIZE=$((64 * MiB))
ok "a new disk, and little room" up fresh
run "${AS[@]}" dd if=/dev/zero of="$D/fresh/big" bs=1M count=60 conv=fsync
isnt $rc 0 "which it takes: $(tail -1 <<<"$err")"
head -c 200M /dev/zero >"$SCRATCH/host/filler2" 2>/dev/null
loop=$(findmnt -vno SOURCE "$D/fresh")
stops() { "${AS[@]}" sh -c 'mkdir "$1" && sync -f "$1"' - "$D/fresh/$((RANDOM * 32768 + RANDOM))" 2>/dev/null; [ "$(cat "/sys/fs/ext4/${loop#/dev/}/errors_count")" -gt 0 ]; }
ok "its file system stops when its journal finds none" wait_until 20 stops
ok "down" down fresh
rm "$SCRATCH/host/filler" "$SCRATCH/host/filler2"
exits 0 "with room again it comes up without a person" up fresh
like "$err" "disk has errors, checking" "after a check"
ok "and serves" "${AS[@]}" sh -c 'rm -f "$1/big"; head -c 3000000 /dev/zero >"$1/more" && sync "$1/more"' - "$D/fresh"
ok "down" down fresh
ok "e2fsck finds nothing" e2fsck -fn "$D/fresh.img"
SIZE=$((300 * MiB))
exits 0 "up" up full

# What is deleted goes back to the host while the server runs.
"${AS[@]}" dd if=/dev/zero of="$D/full/big" bs=1M count=50 conv=fsync 2>/dev/null
sync -f "$D/full"; had=$(du -k "$D/full.img" | cut -f1)
atleast "$had" 50000 "50 MiB of its data lie on the host (KiB)"
rm "$D/full/big"
ok "which has them back within 30 s of their deletion" wait_until 30 eval '[ "$(du -k "$D/full.img" | cut -f1)" -le $((had - 48000)) ]'
ok "down" down full
ok "e2fsck finds nothing" e2fsck -fn "$D/full.img"
umount "$SCRATCH/host"
ok "no loop device is left" wait_until 5 eval '! losetup -nl -O BACK-FILE | grep -qF "$SCRATCH/"'
done_testing
