#!/bin/bash
# vm: kernels 6.1 6.12
# vm: bound 3600
# The backend `project` on XFS and ext4: what it needs, limits to the block and the inode by one without privilege, new limits for who writes already,
# kill -9 while it is made and deleted, numbers of others, and (when `quota =` can be set) a whole server.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need mkfs.xfs mke2fs tune2fs losetup setpriv chattr lsattr python3
CTL=${BUILD:-$TAP_HERE/build}/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
RUN_BOUND=2000 TMP_BEFORE=${TMPDIR:-/tmp}
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678 BLOCK=4096 MIB=1048576
install -m 0755 "$TAP_HERE/t/lib/wall_try.py" "$SCRATCH/try"      # where one without privilege can read it
AS_USER=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)

# A file system of its own at $SCRATCH/NAME: NAME KIND OPTIONS [mkfs's ARGUMENTS...].
file_system() {
    local name=$1 kind=$2 options=$3; shift 3
    mkdir -p "$SCRATCH/$name"
    truncate -s 512M "$SCRATCH/$name.image"
    case $kind in
    ext4) mke2fs -q -F -t ext4 "$@" "$SCRATCH/$name.image" ;;
    xfs) mkfs.xfs -q -f "$@" "$SCRATCH/$name.image" ;;
    esac && mount -o "loop,$options" "$SCRATCH/$name.image" "$SCRATCH/$name"
}
lower() { local m; for m in "$SCRATCH"/*/servers/*/; do ! mountpoint -q "$m" || umount "$m"; done; ! mountpoint -q "$SCRATCH/$1" || umount "$SCRATCH/$1"; rm -f "$SCRATCH/$1.image"; }
ctl() { local verb=$1 name=$2; shift 2; "$CTL" -b project "$verb" "$S" "$name" "$@"; }
told() { sed -n "s/.*\\b$1=\([0-9]*\).*/\1/p" <<<"$2"; }
mark_of() { lsattr -pd "$1" | awk '{ print $1 }'; }

quota_kind() { if [ "$1" = ext4 ]; then file_system "$1" ext4 prjquota,nodelalloc -O quota,project -E quotatype=prjquota; else file_system "$1" xfs prjquota; fi; }

# --- what it needs ------------------------------------------------------------------------------------------------------------------

unfit() {
    local words=$1 name=$2; shift 2
    S=$SCRATCH/$name
    ok "$name: a file system" file_system "$name" "$@"
    exits 1 "$name: is not fit" ctl fit one
    like "$err" "$words" "$name: and says what to do"
    exits 1 "$name: up does not begin" ctl up one $MIB 100 $UID_
    is "$(ls "$S/servers")" "" "$name: nor leaves anything"
    lower "$name"
}
unfit "tune2fs -O project,quota" ext4-plain ext4 rw
unfit "not enforced: mount with prjquota" ext4-unmounted ext4 rw -O quota,project -E quotatype=prjquota
unfit "mount it with nodelalloc" ext4-late ext4 prjquota -O quota,project -E quotatype=prjquota
unfit "mount with prjquota" xfs-plain xfs noquota
unfit "not enforced: mount with prjquota, not pqnoenforce" xfs-counted xfs pqnoenforce
mkdir "$SCRATCH/mem"; mount -t tmpfs none "$SCRATCH/mem"; S=$SCRATCH/mem
exits 1 "tmpfs is not fit" ctl fit one
like "$err" "neither XFS nor ext4" "and is told why"
umount "$SCRATCH/mem"
# The advice, taken.
truncate -s 512M "$SCRATCH/later.image"; mkdir "$SCRATCH/later"
mke2fs -q -F -t ext4 "$SCRATCH/later.image" && tune2fs -O project,quota "$SCRATCH/later.image" >/dev/null && mount -o loop,prjquota,nodelalloc "$SCRATCH/later.image" "$SCRATCH/later"
S=$SCRATCH/later; ok "what tune2fs was told to do makes ext4 fit" ctl fit one
lower later

# --- on each ------------------------------------------------------------------------------------------------------------------------

made_right() {
    local kind=$1
    ok "$kind: up" ctl up one $((16 * MIB)) 300 $UID_ 7
    is "$(told bytes "$out") $(told inodes "$out") $(told used_inodes "$out")" "$((16 * MIB)) 300 1" "$kind: with the limits, one inode in use"
    is "$(mark_of "$S/servers/one.project/files") $(lsattr -d "$S/servers/one.project/files" | grep -c P)" "$((0x48460000 + 7)) 1" "$kind: its number, given on"
    is "$(stat -c '%u %a' "$S/servers/one.project")" "0 700" "$kind: nobody else gets to it but by the mount"
    is "$(stat -c '%u:%g %a' "$S/servers/one")" "$UID_:$UID_ 750" "$kind: the mount shows the owner's"
    is "$(stat -c '%u' "$S/servers/one.project/files")" 1000 "$kind: the disk has the server's own"
    like "$(findmnt -no OPTIONS "$S/servers/one")" "nosuid,nodev.*idmapped|idmapped.*nosuid,nodev|nosuid,nodev" "$kind: nosuid and nodev"
    ok "$kind: up again is harmless" ctl up one $((16 * MIB)) 300 $UID_ 7
    is "$(grep -c " $S/servers/one " /proc/self/mountinfo)" 1 "$kind: one mount"
    ok "$kind: and for another owner it is mounted anew" ctl up one $((16 * MIB)) 300 $((UID_ + 65536)) 7
    is "$(stat -c %u "$S/servers/one")" $((UID_ + 65536)) "$kind: with that one's ids"
    ok "$kind: and back" ctl up one $((16 * MIB)) 300 $UID_ 7
    ok "$kind: another server" ctl up two $((8 * MIB)) 100 $UID_ 8
}

# PARTS, the disk and its bytes, its file system, another server's.
try_parts() {
    PARTS=$1 "${AS_USER[@]}" timeout 900 /usr/bin/python3 -B "$SCRATCH/try" "$S/servers/$2" "$3" 300 "$4" "$S/servers/two" >"$TAP_TMP/tried" 2>&1
    is $? 0 "$4: the attempts came to their end"
    import_results "$TAP_TMP/tried" "$4: "
}
attacks() {
    try_parts "bytes_wall inodes_wall small_files number" one $((16 * MIB)) "$1"
    # A disk small enough for pieces of many files to fill it before the inodes are gone.
    ok "$1: a small disk" ctl up small $((4 * MIB)) 300 $UID_ 10
    # What maps pieces is refused, too, where data has its place before it is accepted; XFS maps them on top.
    if [ "$1" = ext4 ]; then export ABOVE=0; fi
    try_parts pieces small $((4 * MIB)) "$1"
    unset ABOVE
    ok "$1: down" ctl down small
    ok "$1: drop" ctl drop small 0 0 0 10
}

# Words, and what must not work because it crosses.
crosses() { exits 1 "$1" "${@:2}"; like "$err" "cross-device" "$1: EXDEV"; }
crossings() {
    local kind=$1 in=$S/servers/one.project/files/in other=$S/servers/two.project/files/x
    echo outside >"$S/outside"; echo other >"$other"
    crosses "$kind: not even root links a file in from outside" ln "$S/outside" "$in"
    crosses "$kind: or from another server" ln "$other" "$in"
    crosses "$kind: nor renames it" /usr/bin/python3 -c "import os; os.rename('$S/outside', '$in')"
    crosses "$kind: the mount is a border, too" /usr/bin/python3 -c "import os; os.rename('$S/outside', '$S/servers/one/in')"
    ok "$kind: a copy is made anew" cp "$S/outside" "$in"
    is "$(mark_of "$in")" $((0x48460000 + 7)) "$kind: and has the number"
    rm "$in" "$other"
}

resizes() {
    local kind=$1 d=$S/servers/one before after
    "${AS_USER[@]}" dd if=/dev/zero of="$d/data" bs=1M count=8 conv=fsync status=none
    ok "$kind: a limit below what is used" ctl resize one $((4 * MIB)) 300 $UID_ 7
    atleast "$(told used "$out")" $((8 * MIB)) "$kind: and the use is told"
    is "$(stat -f -c '%b %a' "$d")" "1024 0" "$kind: statfs shows it, nothing is free"
    nok "$kind: nothing more can be written" "${AS_USER[@]}" dd if=/dev/zero of="$d/more" bs=4k count=1 conv=fsync
    ok "$kind: what is there can be written over" "${AS_USER[@]}" dd if=/dev/zero of="$d/data" bs=1M count=2 conv=notrunc,fsync
    "${AS_USER[@]}" truncate -s 3M "$d/data"
    ok "$kind: below it again, one can write" wait_until 60 "${AS_USER[@]}" dd if=/dev/zero of="$d/more" bs=4k count=1 conv=fsync
    nok "$kind: but not above" "${AS_USER[@]}" dd if=/dev/zero of="$d/more" bs=1M count=2 conv=fsync
    "${AS_USER[@]}" rm "$d/data" "$d/more"
    ok "$kind: fewer inodes than now" ctl resize one $((16 * MIB)) 1 $UID_ 7
    nok "$kind: are refused" "${AS_USER[@]}" touch "$d/more"
    ctl resize one $((200 * MIB)) 300 $UID_ 7 >/dev/null 2>&1
    # Somebody writes all the time, and is stopped and let go.
    "${AS_USER[@]}" bash -c 'cd "$1" && while :; do dd if=/dev/zero bs=64k count=4 status=none >>w 2>/dev/null || sleep 0.05; done' - "$d" & writer=$!
    ok "$kind: a writer is at work" wait_until 60 eval '[ "$(stat -c %s "$d/w" 2>/dev/null || echo 0)" -gt $MIB ]'
    ctl resize one $MIB 300 $UID_ 7 >/dev/null 2>&1
    # Not by its size: XFS has set blocks aside behind it, and they are counted.
    before=$(told used "$(ctl use one 0 0 0 7)"); sleep 3; after=$(told used "$(ctl use one 0 0 0 7)")
    atmost $((after - before)) 0 "$kind: a new limit stops it at once"
    after=$(stat -c %s "$d/w")
    ctl resize one $((400 * MIB)) 300 $UID_ 7 >/dev/null 2>&1
    ok "$kind: and one above lets it go on" wait_until 60 eval '[ "$(stat -c %s "$d/w")" -gt $((after + MIB)) ]'
    kill $writer; wait $writer 2>/dev/null
    "${AS_USER[@]}" rm "$d/w"
    ok "$kind: more than there is" ctl resize one $((1 << 40)) 4000000000 $UID_ 7
    like "$err" "above what the file system has" "$kind: is said"
    is "$(told bytes "$out")" "$(stat -f -c "$(stat -f -c %s "$d")" "$d" >/dev/null; echo $(($(stat -f -c %b "$d") * BLOCK)))" "$kind: and statfs shows what it is held to"
    exits 1 "$kind: no bytes at all is no limit, and refused" ctl resize one 0 300 $UID_ 7
    exits 1 "$kind: nor are no inodes" ctl resize one $MIB 0 $UID_ 7
}

numbers() {
    local kind=$1 foreign=$((0x48460000 + 9))
    mkdir "$S/foreign" && chattr -p $foreign "$S/foreign" && echo x >"$S/foreign/x" && chattr -p $foreign "$S/foreign/x"
    exits 1 "$kind: a number that is in use is refused" ctl up nine $MIB 100 $UID_ 9
    like "$err" "project $foreign has 2 inodes" "$kind: by name"
    is "$(ls -A "$S/servers" | grep -c nine.project)" 0 "$kind: and nothing is made"
    rm -r "$S/foreign"
    ok "$kind: free again, it is taken" ctl up nine $MIB 100 $UID_ 9
    ok "$kind: down" ctl down nine
    chattr -p 5 "$S/servers/nine.project/files"
    ok "$kind: an empty disk whose number was changed is put right" ctl up nine $MIB 100 $UID_ 9
    ctl down nine >/dev/null; touch "$S/servers/nine.project/files/x"; chattr -P "$S/servers/nine.project/files"
    exits 1 "$kind: one with files is refused" ctl up nine $MIB 100 $UID_ 9
    like "$err" "does not give it on.*is not empty" "$kind: with the reason"
    chattr -R -p $foreign +P "$S/servers/nine.project/files" 2>/dev/null
    ok "$kind: until the admin does what it says" ctl up nine $MIB 100 $UID_ 9
    ctl down nine >/dev/null
    chmod 0755 "$S/servers/nine.project"
    exits 1 "$kind: a guard that others may pass is refused" ctl up nine $MIB 100 $UID_ 9
    chmod 0700 "$S/servers/nine.project"
    exits 1 "$kind: no number, no disk" ctl up ten $MIB 100 $UID_ 0
    ok "$kind: drop" ctl drop nine 0 0 0 9
}

# A tree that only root can delete, and then nothing is left of it, neither on the disk nor in the count.
drops() {
    local kind=$1 d=$S/servers/two
    "${AS_USER[@]}" bash -c 'cd "$1" && for i in {1..25}; do mkdir d && : >d/f && ln -s / d/l && cd d || exit 1; done' - "$d" || fail "$kind: a deep tree"
    "${AS_USER[@]}" bash -c 'cd "$1" && mkdir locked && mkdir locked/in && chmod 0 locked' - "$d" || fail "$kind: a folder nobody may enter"
    echo kept >"$S/kept"; "${AS_USER[@]}" ln -s "$S/kept" "$d/link"
    dd if=/dev/zero bs=64k 2>/dev/null | "${AS_USER[@]}" dd of="$d/full" bs=64k status=none 2>/dev/null
    exits 1 "$kind: what is mounted is not dropped" ctl drop two 0 0 0 8
    ok "$kind: down" ctl down two
    ok "$kind: has" ctl has two
    ok "$kind: drop, at its limit" ctl drop two 0 0 0 8
    exits 1 "$kind: has not" ctl has two
    is "$(cat "$S/kept")" kept "$kind: links led nowhere"
    nothing() { [ "$(told used "$(ctl use two 0 0 0 8)")" = 0 ] && [ "$(told used_inodes "$(ctl use two 0 0 0 8)")" = 0 ]; }
    ok "$kind: nothing of its number is left" wait_until 60 nothing
    is "$(ls -A "$S/servers" | grep two | tr '\n' ' ')" ".two.lock two " "$kind: nor in the folder"
    ok "$kind: drop again is harmless" ctl drop two 0 0 0 8
    ok "$kind: the number can be given again" ctl up two $MIB 100 $UID_ 8
    ok "$kind: down" ctl down two
}

# As at the end of a migration.
moves() {
    local kind=$1
    ok "$kind: files of a migration" ctl up .moved.new $MIB 100 $UID_ 12
    "${AS_USER[@]}" sh -c "echo kept >'$S/servers/.moved.new/kept'"
    ok "$kind: down" ctl down .moved.new
    ok "$kind: they become the server's" ctl move .moved.new
    ok "$kind: which may be asked for again" ctl move .moved.new
    ok "$kind: up" ctl up moved $MIB 100 $UID_ 12
    is "$(cat "$S/servers/moved/kept") $(told used_inodes "$out")" "kept 2" "$kind: with the files, counted as before"
    ok "$kind: down" ctl down moved
    ok "$kind: drop" ctl drop moved 0 0 0 12
}

killed() {
    local kind=$1 i p
    for ((i = 0; i < 24; i++)); do
        ctl up kill $MIB 100 $UID_ 11 >/dev/null 2>&1 & p=$!
        sleep "0.0$((i % 12 / 2))$((i % 10))"; kill -9 $p 2>/dev/null; wait $p 2>/dev/null
        if ((i % 2)); then
            timeout 60 "$CTL" -b project down "$S" kill >/dev/null 2>&1
            "$CTL" -b project drop "$S" kill 0 0 0 11 >/dev/null 2>&1 & p=$!
            sleep "0.0$((i % 8))"; kill -9 $p 2>/dev/null; wait $p 2>/dev/null
        fi
    done
    ok "$kind: up after 24 kills" ctl up kill $MIB 100 $UID_ 11
    is "$(told used_inodes "$out")" 1 "$kind: with all of its limit"
    ok "$kind: down" ctl down kill
    ok "$kind: drop" ctl drop kill 0 0 0 11
    is "$(ls -A "$S/servers" | grep 'kill.*part')" "" "$kind: no half-made folder lies about"
}

# A server of a whole appliance whose state is on it, filled over SFTP.
whole() {
    local kind=$1 free
    if ! grep -qE '\bO\([a-z_]+, "quota", ' "$TAP_HERE/base/conf_options.h"; then
        skip "$kind: a whole server" "servers cannot be given a backend yet"
        return
    fi
    # What rig.sh puts on the clean-up stack is done here: the next file system is not to have it.
    export TMPDIR=$S
    printf '[server one]\nquota = project\ndisk = 8M\ninodes = 200\n' >"$SCRATCH/more.ini"
    eval "$("$TAP_HERE/t/rig" up --ini "$SCRATCH/more.ini")"
    head -c 12M /dev/urandom >"$SCRATCH/big"; head -c 2M /dev/urandom >"$SCRATCH/small"
    put() { sftp -F "$SSH_CONFIG" -b <(printf 'put %s %s\n' "$1" "$2") alice; }
    ok "$kind: SFTP stores a file" timeout 300 bash -c "$(declare -f put); SSH_CONFIG=$SSH_CONFIG; put $SCRATCH/small /one/small"
    is "$(findmnt -no FSTYPE "$PREFIX/state/servers/one")" $kind "$kind: on the file system itself"
    nok "$kind: but not more than it was given" timeout 300 bash -c "$(declare -f put); SSH_CONFIG=$SSH_CONFIG; put $SCRATCH/big /one/big"
    like "$err" "quota exceeded" "$kind: and says why"
    atmost "$(du -s --block-size=1 "$PREFIX/state/servers/one" | cut -f1)" $((8 * MIB)) "$kind: what is on the disk is within"
    run timeout 300 ssh -F "$SSH_CONFIG" alice quota one --json
    like "$out" "\"backend\": ?\"project\"" "$kind: quota names the backend"
    free=$(stat -f -c '%b' "$PREFIX/state/servers/one")
    is $((free * BLOCK)) $((8 * MIB)) "$kind: statfs shows the limit"
    ok "$kind: the appliance ends" timeout 300 "$TAP_HERE/t/rig" down "$PREFIX"
    unset PREFIX
    export TMPDIR=$TMP_BEFORE
}

for kind in xfs ext4; do
    S=$SCRATCH/$kind
    ok "$kind: mounted with prjquota" quota_kind $kind
    ok "$kind: is fit" ctl fit one
    for part in made_right attacks crossings resizes numbers drops moves killed whole; do
        diag "$kind $part, after $SECONDS s"
        $part $kind
    done
    ctl down one >/dev/null 2>&1
    is "$(grep -c " $S/servers/" /proc/self/mountinfo)" 0 "$kind: no mount is left"
    lower $kind
done
done_testing
