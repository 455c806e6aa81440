#!/bin/bash
# The btrfs backend: limits by every route that an owner of files has, what is left of a limit lowered, a full host, a death at each system call.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
need_root
RUN_BOUND=300
need losetup mkfs.btrfs btrfs findmnt setpriv python3 strace setfattr
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
[ -c /dev/loop-control ] || skip_all "no loop devices"
grep -qw btrfs /proc/filesystems || modprobe btrfs 2>/dev/null || skip_all "this kernel has no btrfs"
[ -e /sys/fs/btrfs/features/simple_quota ] || skip_all "this kernel has no simple quotas (t/vm/btrfs.t has one without)"
scratch
chmod 0755 "$SCRATCH"
UID_=2012345678
TRY=(python3 -B "$TAP_HERE/t/lib/btrfs_try.py")
AS_USER=(setpriv --reuid $UID_ --regid $UID_ --clear-groups --inh-caps=-all --bounding-set=-all --)
MB=1048576

# --- file systems of our own -----------------------------------------------------------------------------------------------------------------

# Makes M (a name) with SIZE and mounts it; S is the state folder on it, D its servers.
filesystem() {
    F=$SCRATCH/$1 S=$SCRATCH/$1/state D=$SCRATCH/$1/state/servers
    truncate -s "$2" "$SCRATCH/$1.img" && mkfs.btrfs -q "$SCRATCH/$1.img" >/dev/null 2>&1 && mkdir "$F" && mount -o loop "$SCRATCH/$1.img" "$F" || bail "no btrfs"
    mkdir "$S"
    Q=/sys/fs/btrfs/$(findmnt -no UUID "$F")/qgroups
}
unmount_all() {
    local m i
    for ((i = 0; i < 20; i++)); do
        for m in $(awk -v s="$SCRATCH/" 'index($5, s) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount "$m" 2>/dev/null; done
        grep -qF " $SCRATCH/" /proc/self/mountinfo || return 0
        sleep 0.2
    done
    return 1
}
cleanup unmount_all
# What holdfast-launch has (sandbox/launch/RIGHTS).
LAUNCH=(setpriv --inh-caps=-all --bounding-set=-all,+sys_admin,+net_admin,+setuid,+setgid,+setpcap,+setfcap,+chown,+fowner,+dac_override,+kill --)
ctl() { "${LAUNCH[@]}" "$CTL" -b btrfs "$1" "$S" "${@:2}"; }
up() { ctl up "$1" "$2" "${3:-1000000000}" $UID_; }
field_of() { sed -n "s/.*\<$1=\([^ ]*\).*/\1/p" <<<"$2"; }
used() { field_of used "$(ctl use "$1" 2>/dev/null)"; }
synced() { sync -f "$F"; used "$1"; }
number() { btrfs inspect-internal rootid "$D/@$1"; }
groups_() { btrfs qgroup show "$F" 2>/dev/null | awk '$1 ~ "^[0-9]+/[0-9]+$" && $1 != "0/5" { printf "%s ", $1 }'; }
# What is left of all servers: subvolumes, groups, folders.
left() { btrfs subvolume list -d "$F"; btrfs subvolume list "$F"; groups_; ls "$D" | grep '^@'; }
# Whoever comes next cleans up behind the kernel, which takes its time.
nothing_left() { ctl drop nobody && [ -z "$(left)" ]; }

# --- what fits -------------------------------------------------------------------------------------------------------------------------------

S=$SCRATCH/plain
mkdir "$S"
[ "$(stat -f -c %T "$S")" = btrfs ] || {
    exits 1 "another file system does not fit" ctl fit a
    like "$err" "another file system" "and it is said"
}
filesystem main 3G
ok "btrfs without quotas fits" ctl fit a
like "$err" "no quotas are on: 'quota = btrfs' switches simple ones on, and kernels before 6.7 cannot mount" "with what it takes"
nok "and looking changed nothing" test -e "$Q"
nok "there is nothing of a" ctl has a

ok "up" up a $((64 * MB)) 1000
like "$err" "warning: simple quotas are on from now on" "it is said that quotas were switched on"
like "$err" "btrfs has no limit of inodes.*inodes=362750 configured_inodes=1000" "and that inodes are held by bytes alone"
like "$out" "bytes=67108864 inodes=362750 used=[0-9]+ used_inodes=0 count=$Q/1_$(number a)/referenced" "what is in force, and where it is counted"
is "$(cat "$Q/mode")" squota "simple quotas"
ok "it fits now" ctl fit a
is "$err" "" "without more words"
ok "there is something of a" ctl has a
like "$(findmnt -no OPTIONS "$D/a")" "nosuid,nodev,noatime.*idmapped" "mounted nosuid, nodev, noatime, mapped"
is "$(stat -c '%u:%g %a' "$D/a")" "$UID_:$UID_ 750" "the root folder is the owner's, 0750"
is "$(ls -A "$D/a")" "" "and empty"
is "$(stat -c '%u:%g %a' "$D/@a")" "0:0 700" "users of the host do not get at the files beside the mount"
is "$(stat -c %u "$D/@a/files")" 1000 "which have the ids of inside"
ok "up again is harmless" up a $((64 * MB))
is "$err" "" "and silent"

# --- to the byte -----------------------------------------------------------------------------------------------------------------------------

run "${AS_USER[@]}" dd if=/dev/zero of="$D/a/data" bs=1M count=100
like "$err" "Disk quota exceeded" "a user fills it until EDQUOT, at the write"
atmost "$(stat -c %s "$D/a/data")" $((64 * MB - 16384)) "with the limit less a block of metadata in one file"
atleast "$(stat -c %s "$D/a/data")" $((64 * MB - 65536)) "and near it"
before=$(used a)
atmost "$(synced a)" $((64 * MB)) "use is within the limit"
is "$(used a)" "$(cat "$Q/1_$(number a)/referenced")" "and the kernel's file tells the same once all is on the disk"
atmost "$((before > $(used a) ? before - $(used a) : $(used a) - before))" 65536 "use knew of it before it was on the disk"
nok "not a block more by writing" "${AS_USER[@]}" dd if=/dev/zero of="$D/a/more" bs=64k count=1 conv=fsync
nok "nor by fallocate" "${AS_USER[@]}" fallocate -l 1M "$D/a/more2"
nok "nor by fallocate -n" "${AS_USER[@]}" fallocate -n -o 64M -l 1M "$D/a/data"
nok "nor beyond the end" "${AS_USER[@]}" fallocate -o 1T -l 1M "$D/a/data"
ok "deleting works at the limit" "${AS_USER[@]}" rm "$D/a/data"
rm -f "$D/a/more" "$D/a/more2"
atmost "$(synced a)" 65536 "and all is free again"
ok "1 TiB of nothing is nothing" "${AS_USER[@]}" truncate -s 1T "$D/a/sparse"
nok "1 TiB of something is refused" "${AS_USER[@]}" fallocate -l 1T "$D/a/whole"
nok "data in the holes count" "${AS_USER[@]}" dd if=/dev/zero of="$D/a/sparse" bs=1M count=80 seek=1000 conv=notrunc
# Only what deletes needs no room for metadata first.
run "${AS_USER[@]}" truncate -s 0 "$D/a/sparse"
is "$rc $(stat -c %s "$D/a/sparse")" "$([ $rc = 0 ] && echo '0 0' || echo "1 1099511627776")" "cutting a file at the limit is done, or refused before anything is lost"
rm -f "$D/a/sparse" "$D/a/whole"
atmost "$(synced a)" 65536 "all is free again"

# How far the file lags: what is written and not on its way to the disk yet.
count=$Q/1_$(number a)/referenced
"${AS_USER[@]}" dd if=/dev/zero of="$D/a/late" bs=1M count=32 2>/dev/null
diag "32 MiB written, not synced: the kernel's file tells $(cat "$count"), use $(used a)"
atleast "$(used a)" $((32 * MB)) "use has what was written and is not on the disk"
rm "$D/a/late"

# Copies that share blocks count once; those that do not share are refused.
"${AS_USER[@]}" dd if=/dev/urandom of="$D/a/one" bs=1M count=20 2>/dev/null
is "$("${TRY[@]}" clone $UID_ "$D/a/one" 50)" 50 "50 copies of 20 MiB that share blocks"
atmost "$(synced a)" $((21 * MB)) "take the room of one"
nok "five that do not are refused" "${AS_USER[@]}" bash -c 'for i in 1 2 3 4 5; do cp --reflink=never "$1/one" "$1/own$i" || exit 1; done' - "$D/a"
nok "as is writing over shared blocks" "${AS_USER[@]}" bash -c 'for i in 1 2 3 4; do dd if=/dev/urandom of="$1/one.$i" bs=1M count=20 conv=notrunc || exit 1; done' - "$D/a"
atmost "$(synced a)" $((64 * MB)) "all within the limit"
rm -f "$D/a"/o*

# Eight at once, in every way; never a byte above, looked at every 2 ms.
for kind in on about small empty attributes allocate nameless links tree; do
    run "${TRY[@]}" storm $UID_ "$D/a" "$count" $((64 * MB)) $kind 6
    diag "$kind: $out$err"
    atmost "$(field_of highest "$out")" $((64 * MB)) "eight writers, $kind: never above the limit"
    case $kind in on|about|allocate)
        atleast "$(field_of end "$out")" $((62 * MB)) "and up to it"
        is "$(field_of errors "$out")" EDQUOT "ended by EDQUOT" ;;
    esac
    ok "$kind: deleted by its owner" "${AS_USER[@]}" find "$D/a" -mindepth 1 -delete
    atmost "$(synced a)" 262144 "$kind: all is free again"
done

# --- subvolumes made inside ------------------------------------------------------------------------------------------------------------------

fill() { "${AS_USER[@]}" dd if=/dev/zero of="$D/a/$1" bs=1M count="${2:-100}" 2>/dev/null; }
ok "an owner can make a subvolume (outside the sandbox)" "${TRY[@]}" make $UID_ "$D/a" inner
nok "it cannot be filled beyond the limit" fill inner/data
atmost "$(synced a)" $((64 * MB)) "which both have together"
rm "$D/a/inner/data"
ok "40 MiB in it" fill inner/data 40
ok "a snapshot of it is made" "${TRY[@]}" snapshot $UID_ "$D/a/inner" "$D/a" shot ro
ok "its files are deleted" rm "$D/a/inner/data"
atleast "$(synced a)" $((40 * MB)) "and still counted, as the snapshot has them"
nok "so that there is no room for more" fill inner/data 40
atmost "$(synced a)" $((64 * MB)) "than the limit"
rm -f "$D/a/inner/data"
ok "a subvolume may end while a snapshot of it lives" btrfs subvolume delete "$F/state/servers/@a/files/inner"
atleast "$(synced a)" $((40 * MB)) "and what the snapshot has is counted"
ok "another one" "${TRY[@]}" make $UID_ "$D/a" inner
# The gap: a new subvolume with a list of groups of its own is in none, and only the filter of the sandbox is before it.
ok "with groups of its own a subvolume is outside" "${TRY[@]}" make $UID_ "$D/a" outer free
run fill outer/data 80
diag "80 MiB into it: exit code $rc"
ok "and one below it" "${TRY[@]}" make $UID_ "$D/a/outer" deep
sync -f "$F"
run ctl use a
like "$err" "a subvolume of the server's own making was not counted, and is now" "use takes them in"
atleast "$(used a)" $((120 * MB)) "and counts them"
nok "nothing more can be written" fill inner/data 1
nok "nor in there" fill outer/more 1
ctl resize a $((1024 * MB)) 1000000000 $UID_ >/dev/null
ok "down" ctl down a
free=$(stat -f -c '%a*%S' "$F")
ok "a read-only one, with one below it" btrfs property set "$D/@a/files/outer" ro true
ok "drop, with subvolumes in subvolumes and a read-only one" ctl drop a
ok "nothing is left" wait_until 30 nothing_left
nothing_left || diag "$(left)"
atleast "$((($(stat -f -c '%a*%S' "$F")) - ($free)))" $((118 * MB)) "the host has the space back"
nok "there is nothing of a" ctl has a
ok "drop again is harmless" ctl drop a

# --- changes of the limit --------------------------------------------------------------------------------------------------------------------

ok "up" up b $((64 * MB))
ok "half of it is used" "${AS_USER[@]}" dd if=/dev/zero of="$D/b/data" bs=1M count=32 conv=fsync
"${AS_USER[@]}" dd if=/dev/zero of="$D/b/other" bs=1M count=8 conv=fsync 2>/dev/null
ok "the limit is lowered below that" ctl resize b $((16 * MB)) 1000000000 $UID_
like "$out" "bytes=16777216 inodes=90687 used=4[12]" "and answered, with what is used"
nok "nothing can be written" "${AS_USER[@]}" dd if=/dev/zero of="$D/b/more" bs=64k count=1 conv=fsync
nok "nor a file be made" "${AS_USER[@]}" touch "$D/b/new"
ok "deleting works" "${AS_USER[@]}" rm "$D/b/data"
rm -f "$D/b/more"
sync -f "$F"
ok "and then there is room again" "${AS_USER[@]}" dd if=/dev/zero of="$D/b/more" bs=1M count=4 conv=fsync
ok "the limit is raised" ctl resize b $((128 * MB)) 1000000000 $UID_
ok "at once" "${AS_USER[@]}" dd if=/dev/zero of="$D/b/data" bs=1M count=100
atmost "$(synced b)" $((128 * MB)) "use is within it"
ok "up with another limit" up b $((140 * MB))
is "$(cat "$Q/1_$(number b)/max_referenced")" $((140 * MB)) "sets it"

# Busy, another's, and by another name.
"${AS_USER[@]}" sleep 60 <"$D/b" & sleeper=$!
exits 1 "down of a busy disk fails" ctl down b
like "$err" "servers/b is in use" "and says so"
exits 1 "drop of one that is mounted fails" ctl drop b
kill $sleeper; wait $sleeper 2>/dev/null
ok "for another owner it is mounted anew" ctl up b $((140 * MB)) 1000000000 2012476536
is "$(stat -c %u "$D/b" "$D/b/data" | uniq)" 2012476536 "and all files are his"
ok "down" ctl down b
ok "down again is harmless" ctl down b
mkdir -p "$D/foreign"; mount -t tmpfs none "$D/foreign"
exits 1 "another's mount is not ours to use" up foreign $((64 * MB))
exits 1 "nor to take away" ctl down foreign
umount "$D/foreign"
nok "and nothing was made" ctl has foreign
ok "the end of a migration: made as .new" up .c.new $((8 * MB))
"${AS_USER[@]}" sh -c "echo kept >'$D/.c.new/kept'"
ok "down" ctl down .c.new
ok "moved" ctl move .c.new
ok "moved again is harmless" ctl move .c.new
ok "up by its name" up c $((8 * MB))
is "$(cat "$D/c/kept")" kept "with the files"
is "$(cat "$Q/1_$(number c)/max_referenced")" $((8 * MB)) "and the limit"
ok "down" ctl down c

# A group that is in use for something else.
btrfs subvolume create "$F/admins" >/dev/null
admins=$(btrfs inspect-internal rootid "$F/admins")
"${TRY[@]}" group "$F" $((admins + 1)) "$admins"
ok "a number whose group is another's is passed by" up d $((8 * MB))
is "$(number d)" $((admins + 2)) "for the next one"
is "$(btrfs qgroup show -c "$F" | awk -v g="1/$((admins + 1))" '$1 == g { print $4, $5 }')" "0/$admins <0" "which stays as it was"
btrfs subvolume delete "$F/admins" >/dev/null
ok "down" ctl down d
for n in b c d; do ok "drop $n" ctl drop $n; done
btrfs qgroup destroy "1/$((admins + 1))" "$F" 2>/dev/null

# --- a death at each system call of up and drop ----------------------------------------------------------------------------------------------

# A line "CALL N" for each system call of a verb, the Nth of its kind; and the verb killed there: 1 when that was not reached.
calls() { strace -qq -e signal=none -o "$SCRATCH/calls" "$CTL" -b btrfs "$@" >/dev/null 2>&1; sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' "$SCRATCH/calls" | awk '{ print $1, ++n[$1] }'; }
cut() {
    strace -qq -o /dev/null -e signal=none -e inject="$1:signal=KILL:when=$2" "$CTL" -b btrfs "${@:3}" >/dev/null 2>&1
    [ $? = 137 ]
}
whole() {   # NAME: one subvolume, in its group, with its limit, mounted and of use
    local id
    id=$(number "$1") && [ "$(cat "$Q/1_$id/max_referenced")" = $((8 * MB)) ] &&
        btrfs qgroup show -p "$F" | awk -v id="$id" '$1 == "0/" id && $4 == "1/" id { ok = 1 } END { exit !ok }' &&
        mountpoint -q "$D/$1" && "${AS_USER[@]}" sh -c "echo x >'$D/$1/x'" && [ "$(btrfs subvolume list "$F" | wc -l)" = 1 ]
}
sweep_up() {
    local call n total=0
    calls up "$S" k $((8 * MB)) 1000000000 $UID_ >"$SCRATCH/todo"
    ctl down k && ctl drop k || return 1
    while read -r call n; do
        total=$((total + 1))
        cut "$call" "$n" up "$S" k $((8 * MB)) 1000000000 $UID_ || { [[ "$call" == exit* || "$call" == execve ]] || echo "cut $call $n: not reached"; }
        up k $((8 * MB)) >"$SCRATCH/said" 2>&1 || echo "cut $call $n: $(<"$SCRATCH/said")"
        whole k || echo "cut $call $n: not whole: $(left)"
        ctl down k >/dev/null && ctl drop k >/dev/null || echo "cut $call $n: no end"
    done <"$SCRATCH/todo"
    echo "of $total" >&2
}
fresh() { up k $((8 * MB)) && "${TRY[@]}" make $UID_ "$D/k" inner && "${TRY[@]}" make $UID_ "$D/k" outer free && ctl down k; }
sweep_drop() {
    local call n total=0
    fresh
    calls drop "$S" k >"$SCRATCH/todo"
    while read -r call n; do
        total=$((total + 1))
        [[ "$call" != clock_nanosleep ]] || continue      # as many as the kernel's cleaner takes
        fresh >"$SCRATCH/said" 2>&1 || echo "cut $call $n: not made: $(<"$SCRATCH/said")"
        cut "$call" "$n" drop "$S" k
        # By its own next drop, or by what another server does.
        if ((total % 2)); then ctl drop k; else up o $((8 * MB)) && ctl down o && ctl drop k && ctl drop o; fi >"$SCRATCH/said" 2>&1 || echo "cut $call $n: $(<"$SCRATCH/said")"
        wait_until 30 nothing_left || echo "cut $call $n: $(left) $(<"$SCRATCH/said")"
    done <"$SCRATCH/todo"
    echo "of $total" >&2
}
ok "nothing is left before" wait_until 30 nothing_left
run sweep_up
is "$(grep '^cut' <<<"$out")" "" "killed at any system call of up: the next one completes it"
atleast "$(sed -n 's/^of //p' <<<"$err")" 60 "system calls"
ok "nothing is left" wait_until 30 nothing_left
run sweep_drop
is "$(grep '^cut' <<<"$out")" "" "killed at any system call of drop: the next drop, or another's, completes it"
atleast "$(sed -n 's/^of //p' <<<"$err")" 60 "system calls"
ok "nothing is left" wait_until 30 nothing_left
nothing_left || diag "$(left)"

# Side by side, different names and one name.
cycles() {
    local i
    for ((i = 0; i < 8; i++)); do up "$1" $((8 * MB)) && ctl down "$1" && { [ "$1" = same ] || ctl drop "$1"; } || return 1; done
}
pids=()
for n in a b c d same same; do cycles $n >"$TAP_TMP/cycle.${#pids[@]}" 2>&1 & pids+=($!); done
bad=0
for p in "${pids[@]}"; do wait "$p" || bad=$((bad + 1)); done
is $bad 0 "48 cycles, six at a time, two of them on one name"
[ $bad = 0 ] || diag "$(grep -hv 'disk made' "$TAP_TMP"/cycle.* | grep -v '^bytes' | head)"
ok "drop" ctl drop same
ok "nothing is left" wait_until 30 nothing_left

# --- quotas that went away -------------------------------------------------------------------------------------------------------------------

ok "up" up e $((64 * MB))
"${AS_USER[@]}" dd if=/dev/zero of="$D/e/data" bs=1M count=32 conv=fsync 2>/dev/null
ok "down" ctl down e
btrfs quota disable "$F"
exits 1 "use fails without quotas" ctl use e
exits 1 "as does up" up e $((64 * MB))
like "$err" "quotas of this file system were off for some time: what servers/@e has is not counted; move it" "which says why and what to do"
nok "and did not switch them on" test -e "$Q"
ok "one that is new switches them on" up f $((8 * MB))
exits 1 "that does not make up for what was not counted" up e $((64 * MB))
like "$err" "is not counted" "as is said"
ok "down" ctl down f
for n in e f; do ok "drop $n" ctl drop $n; done
ok "nothing is left" wait_until 30 nothing_left
nothing_left || diag "$(left)"

# --- a host that is full under the quota -----------------------------------------------------------------------------------------------------

filesystem small 300M
ok "up, with more than there is" up g $((1024 * MB))
run "${AS_USER[@]}" dd if=/dev/zero of="$D/g/data" bs=1M count=1000
like "$err" "No space left on device" "the host is full: ENOSPC"
ok "deleting works then" "${AS_USER[@]}" rm "$D/g/data"
sync -f "$F"
ok "and writing" "${AS_USER[@]}" dd if=/dev/zero of="$D/g/data" bs=1M count=50 conv=fsync
ok "down" ctl down g
ok "drop" ctl drop g
ok "nothing is left" wait_until 30 nothing_left

# --- full quotas, which the admin has ----------------------------------------------------------------------------------------------------------

filesystem full 1G
btrfs quota enable "$F"
ok "full quotas fit" ctl fit h
is "$err" "" "without more words"
ok "up" up h $((64 * MB))
like "$err" "full quotas: nothing but the sandbox's filter of system calls keeps subvolumes made inside from passing the limit" "it is said what they do not hold"
is "$(cat "$Q/mode")" qgroup "they were left as they are"
nok "a file is held to the limit" "${AS_USER[@]}" dd if=/dev/zero of="$D/h/data" bs=1M count=100
run "${TRY[@]}" storm $UID_ "$D/h" "$Q/1_$(number h)/referenced" $((64 * MB)) about 4
atmost "$(field_of highest "$out")" $((64 * MB)) "eight writers: never above it"
ok "deleting works at the limit" "${AS_USER[@]}" find "$D/h" -mindepth 1 -delete
"${TRY[@]}" make $UID_ "$D/h" inner
run "${AS_USER[@]}" dd if=/dev/zero of="$D/h/inner/data" bs=1M count=80 conv=fsync
ok "use" ctl use h
like "$err" "was not counted, and is now" "takes in a subvolume made inside"
ok "down" ctl down h
ok "drop" ctl drop h
ok "nothing is left" wait_until 30 nothing_left
nothing_left || diag "$(left)"

# --- a whole server --------------------------------------------------------------------------------------------------------------------------

whole_server() {
    cat >"$SCRATCH/more.ini" <<'E2'
[quota]
backend = btrfs
[server one]
restart = never
command = /usr/bin/python3 ./run
E2
    mkdir -m 0755 "$F/tmp"
    TMPDIR=$F/tmp rig_up --ini "$SCRATCH/more.ini"
    put_run one <<'E2'
import errno, fcntl, os, time
def tried(what, fn):
    try:
        fn()
        print(what, "done", flush=True)
    except OSError as e:
        print(what, errno.errorcode[e.errno], flush=True)
def fill():
    with open("data", "wb", 0) as f:
        while True:
            f.write(b"x" * 65536)
here = os.open(".", os.O_RDONLY)
for number in 0x5000940e, 0x50009418, 0x50009401, 0x50009417, 0x4010942a, 0x40189429, 0x8030942b, 0xc0109428, 0x401c5820:
    tried(f"ioctl-{number:x}", lambda: fcntl.ioctl(here, number, bytearray(4096)))
tried("fill", fill)
print("ready", flush=True)
time.sleep(600)
E2
    is "$(findmnt -no FSTYPE "$PREFIX/state/servers/one")" btrfs "its files are on btrfs"
    exits 0 "start" hf alice start one --wait --timeout 30
    ok "it has tried all" wait_until 60 eval 'hf alice logs one -n 40 | grep -q ready'
    said=$(hf alice logs one -n 40)
    is "$(grep -c 'ioctl-.* EPERM' <<<"$said")" 9 "subvolumes, snapshots, groups, quotas and project numbers are refused inside"
    like "$said" "fill EDQUOT" "it was held to its limit"
    sync -f "$F"
    id=$(btrfs inspect-internal rootid "$PREFIX/state/servers/@one")
    atmost "$(cat "/sys/fs/btrfs/$(findmnt -no UUID "$F")/qgroups/1_$id/referenced")" $((64 * MB)) "and within it"
    head -c 8M /dev/urandom >"$SCRATCH/eight"
    nok "SFTP is refused as well" put alice "$SCRATCH/eight" /one/eight
    ok "deletes" batch alice <<<$'rm /one/data\n-rm /one/eight'
    sync -f "$F"
    ok "and has room then" put alice "$SCRATCH/eight" /one/eight
    ok "which can be fetched" batch alice <<<"get /one/eight $SCRATCH/back"
    ok "the same bytes" cmp "$SCRATCH/eight" "$SCRATCH/back"
    exits 0 "stop" hf alice stop one --wait --timeout 40
}
if grep -q 'CONF_BACKENDS.*btrfs' "$TAP_HERE/base/conf_options.h"; then
    filesystem rig 2G
    whole_server
else
    skip "a whole server on btrfs" "the ini does not know it yet"
fi
done_testing
