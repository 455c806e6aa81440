#!/bin/bash
# A server's files go from one backend to another and back: everything of them, verified; undone on any failure; and killed at any step, whole on
# one of the two at the next use.  Every backend that fits here is a row.
# MIGRATE_BELOW=zfs has the files in a pool of its own, MIGRATE_ONLY=pairs ends when all have gone from each to the next.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need strace python3 findmnt losetup
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl
[ -x "$CTL" ] && [ -x "$BUILD/holdfast-copy" ] || skip_all "no $CTL: 'make check' builds it"
[ -c /dev/loop-control ] || skip_all "no loop devices"
scratch
if [ "${MIGRATE_BELOW:-}" = zfs ]; then
    . "$TAP_HERE/t/lib/quota_place.sh"
    quota_pool
    SCRATCH=$SCRATCH/below
fi
chmod 0755 "$SCRATCH"
UID_=2012345678 LIMITS=(67108864 5000 2012345678)
S=$SCRATCH D=$SCRATCH/servers
down_all() { local m; for m in "$D"/*/; do ! mountpoint -q "$m" || umount "$m"; done; }
cleanup down_all
tree() { python3 -B "$TAP_HERE/t/lib/tree_print.py" "$@"; }
up() { timeout 60 "$CTL" up "$S" "$1" "${LIMITS[@]}" "${2:-auto}" >/dev/null; }
down() { timeout 60 "$CTL" down "$S" "$1"; }
# Server, from, to: configured as it must be for that.
moves() { timeout 120 "$CTL" migrate "$S" "$1" "${LIMITS[@]}" "$2" "$2"; }
looks() { timeout 120 "$CTL" look "$S" "$1" "${LIMITS[@]}" "$2" "$2"; }
on() { sed -n 's/^backend //p' "$D/.$1.quota"; }
# What lies in STATE/servers that ought not to: another backend's files, what a job left.
left() { ls -A "$D" | grep -E "new|\.old" ; local n; for n in "$@"; do [ "$(ls -A "$D" | grep -cxE "$n\.(img|files)")" -le 1 ] || ls -A "$D"; done; }
mounts() { grep -cF "$SCRATCH/" /proc/self/mountinfo; }
loops() { losetup -nl -O BACK-FILE | grep -cF "$SCRATCH/"; }

# --- every pair -------------------------------------------------------------------------------------------------------------------------------

rows=()
for word in project btrfs zfs image fuse none; do
    if "$CTL" up "$S" probe "${LIMITS[@]}" $word >/dev/null 2>&1; then
        rows+=($word)
        "$CTL" drop "$S" probe 2>/dev/null
    fi
done
# It takes no set-id bits and no ACLs, and so not this tree; below it gets one of its own.
[[ " ${rows[*]} " == *" fuse "* ]] && has_fuse=yes
for i in "${!rows[@]}"; do [ "${rows[i]}" != fuse ] || unset "rows[i]"; done
rows=("${rows[@]}")
diag "backends that fit here: ${rows[*]}"
atleast "${#rows[@]}" 2 "there are two to move between"

# Linux 6.1 shows whom an access list names as the disk has it, not as the mount maps it: such a list cannot be moved there, and none may be lost.
unnamed=
if [[ $(uname -r) =~ ^(5|6\.[01])\. ]] && [[ " ${rows[*]} " == *" image "* ]]; then
    ok "a disk with mapped ids" up named image
    [ "$(tree list "$D/named" $UID_)" != "as on the disk" ] || unnamed=unnamed
    ok "down" down named
    "$CTL" drop "$S" named
fi
if [ -n "$unnamed" ]; then
    diag "this kernel shows names in access lists of mapped mounts as the disk has them"
    ok "a disk" up named "${rows[0]}"
    tree list "$D/named" $UID_ >/dev/null
    tree print "$D/named" >"$SCRATCH/want"
    ok "down" down named
    exits 1 "an access list that names somebody is not moved to an image" moves named image
    like "$err" "attribute system.posix_acl_access" "which is said"
    is "$(on named) $(left named)" "${rows[0]} " "all stays where it is"
    ok "it comes up" up named "${rows[0]}"
    tree print "$D/named" >"$SCRATCH/got"
    is "$(diff "$SCRATCH/want" "$SCRATCH/got")" "" "and is as it was"
    ok "down" down named
    "$CTL" drop "$S" named
fi
ok "a disk" up all "${rows[0]}"
# shellcheck disable=SC2086
ok "with everything in it" tree make "$D/all" $UID_ $unnamed
mknod "$D/all/null" c 1 3 2>/dev/null; mknod "$D/all/hole" b 7 0 2>/dev/null
devices=$(find "$D/all" -maxdepth 1 \( -type b -o -type c \) | wc -l)
# ZFS gives a file its blocks when a group of transactions is written: as it is on the disk.
ok "down" down all
ok "and up" up all "${rows[0]}"
tree print "$D/all" >"$SCRATCH/want"
atleast "$(wc -l <"$SCRATCH/want")" 700 "a tree of many files"
ok "down" down all
from=${rows[0]}
for to in "${rows[@]:1}" "${rows[0]}"; do
    exits 0 "a look from $from to $to" looks all $to
    like "$out" "^$from [0-9]+ [0-9]+ $devices" "tells what would be done"
    is "$(on all) $(left all)" "$from " "and does nothing"
    exits 0 "from $from to $to" moves all $to
    like "$out" "^$from [0-9]+ [0-9]+ $devices" "what was done, and what was left out"
    devices=0
    is "$(on all) $(left all)" "$to " "it is noted, and nothing of the other is left"
    is "$(mounts)" 0 "nothing is mounted"
    ok "it comes up" up all $to
    tree print "$D/all" >"$SCRATCH/got"
    is "$(diff "$SCRATCH/want" "$SCRATCH/got" | head -n 10)" "" "and all is as it was: owners, modes, times, links, attributes, holes"
    ok "down" down all
    from=$to
done

[ "${MIGRATE_BELOW:-}" != zfs ] || like " ${rows[*]} " " zfs " "datasets were among them"
if [ "${MIGRATE_ONLY:-}" = pairs ]; then done_testing; exit; fi

# --- to a file system that takes less -------------------------------------------------------------------------------------------------------

if [ "${has_fuse:-}" = yes ]; then
    ok "a disk" up plain image
    (cd "$D/plain" && exec setpriv --reuid $UID_ --regid $UID_ --clear-groups bash -c '
        mkdir -p a/b c; for i in {1..200}; do head -c $((i * 37)) /dev/urandom >"a/b/$i"; done
        ln a/b/1 c/linked; ln -s ../a/b/2 c/symbolic; truncate -s 3M c/hole; printf end >>c/hole; mkfifo c/pipe; chmod 0400 a/b/3; touch -d 2001-02-03 a/b/4')
    tree print "$D/plain" >"$SCRATCH/want"
    ok "down" down plain
    for to in fuse image; do
        exits 0 "a plain tree to $to" moves plain $to
        ok "it comes up" up plain $to
        tree print "$D/plain" >"$SCRATCH/got"
        is "$(diff "$SCRATCH/want" "$SCRATCH/got" | head -n 10)" "" "and all is as it was"
        [ $to != image ] || (cd "$D/plain" && setpriv --reuid $UID_ --regid $UID_ --clear-groups chmod 4755 a/b/1)
        ok "down" down plain
    done
    exits 1 "a file with a set-id bit does not go there" moves plain fuse
    like "$err" "(linked|1): owner and mode: .*Operation not permitted" "it is named"
    is "$(on plain)" image "and all stays where it is"
    "$CTL" drop "$S" plain 2>/dev/null
fi

# --- what is refused --------------------------------------------------------------------------------------------------------------------------

exits 1 "to where it is" moves all "$from"
like "$err" "on $from already" "is said"
exits 1 "to what is no backend" moves all floppy
exits 1 "to one that is not configured" "$CTL" migrate "$S" all "${LIMITS[@]}" image none
like "$err" "configured is image: set quota = none, unsafe first, and reload" "says what to do"
exits 1 "to none with auto" "$CTL" migrate "$S" all "${LIMITS[@]}" auto none
ok "mounted" up all image
exits 1 "while it is mounted" moves all none
like "$err" "mounted" "is refused"
ok "down" down all
exits 0 "to none" moves all none
exits 1 "to limits that are too low in bytes" "$CTL" migrate "$S" all 1048576 5000 $UID_ image image
like "$err" "it has [0-9]+ bytes in [0-9]+ files and folders, its limits are 1048576 and 5000" "with the numbers"
exits 1 "and in files" "$CTL" look "$S" all 67108864 100 $UID_ image image
like "$err" "its limits are 67108864 and 100" "also of a look"
is "$(on all) $(left all)" "none " "it stays where it is"
exits 0 "one without files" moves nobody none
like "$out" "^- 0 0 0" "has nothing to move"

# --- failures ---------------------------------------------------------------------------------------------------------------------------------

ok "a small disk" up s none
as_server() { (cd "$D/s" && setpriv --reuid $UID_ --regid $UID_ --clear-groups -- "$@"); }
as_server sh -c 'mkdir a a/b; head -c 300000 /dev/urandom >a/data; ln a/data a/b/data; ln -s data a/link; echo x >top; touch -d @1000000000.5 a' || fail "files"
tree print "$D/s" >"$SCRATCH/want"
ok "down" down s
whole_on() {
    local word
    up s "$1" 2>"$SCRATCH/up.err" || { cat "$SCRATCH/up.err"; return; }
    word=$(on s)
    tree print "$D/s" | diff "$SCRATCH/want" - | head -n 3
    down s
    [ "$(sed 1d "$D/.s.quota")" = "backend $word" ] || cat "$D/.s.quota"
    [ "$(on s)" = "$1" ] || echo "on $(on s), not $1"
    left s
    [ "$(mounts)" = 0 ] || grep -F "$SCRATCH/" /proc/self/mountinfo
}
faulty() { timeout 120 strace -f -qq -o "$SCRATCH/trace" -e trace="${1%%:*}" -e inject="$1" "$CTL" migrate "$S" s "${LIMITS[@]}" "$2" "$2"; }
for fault in pwrite64:error=EIO:when=1 pwrite64:error=EDQUOT:when=1 openat2:error=EIO:when=4 mkdirat:error=ENOSPC:when=2 fchown:error=EPERM:when=1 linkat:error=EMLINK:when=1 \
    syncfs:error=EIO:when=1 getdents64:error=EIO:when=4 renameat:error=ENOSPC:when=2 landlock_restrict_self:error=EOPNOTSUPP seccomp:error=EINVAL clone3:error=EPERM; do
    exits 1 "$fault" faulty $fault image
    isnt "$err" "" "a reason is given"
    ok "was met" grep -q INJECTED "$SCRATCH/trace"
    is "$(whole_on none)" "" "undone"
done
# Data that was said to be written and is not, and an attribute: found by the second walk.
for lie in pwrite64:retval=300000:when=1 fchmod:retval=0:when=1 utimensat:retval=0:when=2; do
    exits 1 "a lie: $lie" faulty $lie image
    like "$err" "compare" "is found by comparing"
    is "$(whole_on none)" "" "undone"
done
# As ZFS before 2.2 answers.
exits 0 "a file system whose rename has no flags" faulty renameat2:error=EINVAL:when=1 image
ok "was met" grep -q INJECTED "$SCRATCH/trace"
is "$(whole_on image)" "" "moved"
exits 0 "and back" moves s none
# Who copies may end in a way that it cannot tell.
exits 1 "killed by a call its filter has not" faulty landlock_restrict_self:signal=SYS image
like "$err" "without a word: killed by signal 31 \(Bad system call\)" "is told"
is "$(whole_on none)" "" "undone"
exits 1 "a program that cannot be run" timeout 120 strace -f -qq -o "$SCRATCH/trace" -P "$BUILD/holdfast-copy" -e trace=execve -e inject=execve:error=EACCES \
    "$CTL" migrate "$S" s "${LIMITS[@]}" image image
like "$err" "without a word: exit code 127, the program could not be run" "is told"
is "$(whole_on none)" "" "undone"

# --- killed -----------------------------------------------------------------------------------------------------------------------------------

# At each call of these, by whichever of the two processes makes it; what was not committed is undone, what was is completed.
sweep() {
    local from=$1 to=$2 call=$3 n said=
    for ((n = 1; n <= 40; n++)); do
        timeout 120 strace -f -qq -o "$SCRATCH/trace" -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$CTL" migrate "$S" s "${LIMITS[@]}" "$to" "$to" >"$SCRATCH/out" 2>&1 && break
        kills=$((kills + 1))
        # The next use is by whoever is configured for the one that has the files.
        "$CTL" up "$S" s "${LIMITS[@]}" "$from" >/dev/null 2>&1 || "$CTL" up "$S" s "${LIMITS[@]}" "$to" >"$SCRATCH/up.err" 2>&1 || cat "$SCRATCH/up.err"
        "$CTL" down "$S" s >"$SCRATCH/up.err" 2>&1 || cat "$SCRATCH/up.err"
        said=$(whole_on "$(on s)")
        [ -z "$said" ] || { echo "$call $n: $said"; return; }
        [ "$(on s)" = "$from" ] && continue
        completed=$((completed + 1))
        timeout 120 "$CTL" migrate "$S" s "${LIMITS[@]}" "$from" "$from" >/dev/null 2>&1 || { echo "$call $n: not back"; return; }
    done
    whole_on "$(on s)"
    [ "$(on s)" = "$to" ] || echo "$call: never done"
}
kills=0 completed=0 a=none b=image
for call in renameat renameat2 unlinkat fsync syncfs move_mount umount2 mkdirat linkat openat2 pwrite64 unshare; do
    sweep $a $b $call >"$SCRATCH/sweep" 2>/dev/null
    is "$(<"$SCRATCH/sweep")" "" "killed at each $call on the way from $a to $b"
    read -r a b <<<"$b $a"
done
diag "killed $kills times, $completed of them behind the point of no return"
atleast $kills 40 "many kills"
atleast $completed 2 "on both sides of the point of no return"
ok "no loop device is left" wait_until 5 eval '[ "$(loops)" = 0 ]'
is "$(mounts)" 0 "no mount is left"
is "$(pgrep -f "$BUILD/holdfast-copy" | wc -l)" 0 "no process is left"

# --- what a walk must not do ------------------------------------------------------------------------------------------------------------------

mkdir "$SCRATCH/outside"; echo secret >"$SCRATCH/outside/secret"; chmod 0600 "$SCRATCH/outside/secret"
ok "a disk with a mount in it" up m none
mkdir "$D/m.files/tree/in"; mount --bind "$SCRATCH/outside" "$D/m.files/tree/in"; cleanup umount "$D/m.files/tree/in"
ok "down" down m
timeout 60 "$CTL" migrate "$S" m "${LIMITS[@]}" image image >"$SCRATCH/out" 2>&1; code=$?
umount "$D/m.files/tree/in"; unset 'tap_stack[-1]'
if [ $code = 0 ]; then
    up m image; is "$(find "$D/m" -name secret)" "" "what is mounted there is not copied"; down m
else
    is "$(on m)" none "a mount within is refused"
fi
done_testing
