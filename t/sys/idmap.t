#!/bin/bash
# Whose files a disk's are: ids on the disk, ids on the machine, and the mount between them.  Disks of other machines, of other numbers and of
# earlier versions.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need losetup mke2fs debugfs setpriv strace
BUILD=${BUILD:-$TAP_HERE/build}
CTL=$BUILD/t/sys/diskctl
[ -x "$CTL" ] || skip_all "no $CTL: 'make check' builds it"
[ -c /dev/loop-control ] || skip_all "no loop devices"
scratch
chmod 0755 "$SCRATCH"
mkdir "$SCRATCH/s" "$SCRATCH/raw"
S=$SCRATCH/s D=$SCRATCH/s/servers
HERE_FIRST=2012300000 THERE_FIRST=1700000000 OLD_FIRST=1500000000
HERE_UID=$((HERE_FIRST + 1000)) THERE_UID=$((THERE_FIRST + 1000))

down_all() { local m; for m in "$SCRATCH/raw" "$D"/*/; do ! mountpoint -q "$m" || umount "$m"; done; }
cleanup down_all
as() { setpriv --reuid "$1" --regid "$1" --clear-groups --inh-caps=-all --bounding-set=-all -- "${@:2}"; }
up() { "$CTL" up "$S" "$1" 16777216 2000 "$2"; }
down() { "$CTL" down "$S" "$1"; }
# Disks of this version have the server's files in a folder.
in_image() { debugfs -R "stat /files" "$D/$1.img" 2>&1 | grep -q "not found" && echo "$2" || echo "/files$2"; }
on_disk() { debugfs -R "stat $(in_image "$1" "$2")" "$D/$1.img" 2>/dev/null | sed -n 's/^User: *\([0-9]*\) *Group: *\([0-9]*\).*/\1:\2/p'; }
owner() { stat -c %u:%g "$1"; }

# --- a disk of this version -------------------------------------------------------------------------------------------------------------------

ok "a disk is made and mounted" up new $HERE_UID
is "$(owner "$D/new")" "$HERE_UID:$HERE_UID" "it is shown as its owner's here"
as $HERE_UID sh -c 'echo made here >"$1/file"; mkdir "$1/folder"; ln -s file "$1/link"' - "$D/new"
is "$(owner "$D/new/file")" "$HERE_UID:$HERE_UID" "so is what it makes"
# What an unpacked archive may bring: any of the 65536.
for id in 0 1 5 999 65534 65535; do
    as $HERE_UID touch "$D/new/id.$id"
    chown $((HERE_FIRST + id)):$((HERE_FIRST + id)) "$D/new/id.$id" || fail "chown to id $id"
done
for uid in 0 1000 $((HERE_FIRST - 1)) $((HERE_FIRST + 65536)); do
    exits 1 "no file can be given to uid $uid, which is not of the range" chown "$uid" "$D/new/file"
done
exits 1 "root of this machine makes nothing in it" touch "$D/new/roots"
like "$err" "too large|Overflow" "EOVERFLOW: $err"
ok "down" down new
is "$(on_disk new /)" "1000:1000" "on the disk the folder is 1000's"
is "$(on_disk new /file)" "1000:1000" "and the file"
for id in 0 1 5 999 65534 65535; do is "$(on_disk new /id.$id)" "$id:$id" "id $id of inside is $id on the disk"; done

ok "the same image is mounted for another number" up new $THERE_UID
is "$(owner "$D/new") $(owner "$D/new/file") $(owner "$D/new/id.65535")" \
    "$THERE_UID:$THERE_UID $THERE_UID:$THERE_UID $((THERE_FIRST + 65535)):$((THERE_FIRST + 65535))" "all of it belongs there"
is "$(as $THERE_UID cat "$D/new/file")" "made here" "and is read there"
ok "and written" as $THERE_UID sh -c 'echo more >>"$1/file" && rm "$1/id.0"' - "$D/new"
nok "not by the one before" as $HERE_UID sh -c 'echo x >>"$1/file"' - "$D/new"
nok "who does not see it" as $HERE_UID ls "$D/new"
ok "up again is harmless" up new $THERE_UID

# Mounted for one, wanted for another: as when the store gives other numbers.
setpriv --reuid $THERE_UID --regid $THERE_UID --clear-groups -- sleep 60 <"$D/new" & sleeper=$!
exits 1 "a mount for another owner that is in use stays" up new $HERE_UID
like "$err" "mounted for another owner.*in use, by process [0-9]+" "and it is said why"
kill $sleeper; wait $sleeper 2>/dev/null
exits 0 "when it is not, it is mounted anew" up new $HERE_UID
is "$(owner "$D/new/file")" "$HERE_UID:$HERE_UID" "for the owner that was asked for"
is "$(as $HERE_UID cat "$D/new/file" | tr '\n' ' ')" "made here more " "with what the other wrote"
is "$(grep -c " $D/new " /proc/self/mountinfo)" 1 "it is mounted once"

# A file system that was cut off, on another machine.
as $HERE_UID sh -c 'echo late >"$1/late"' - "$D/new"; sync -f "$D/new"
cp --sparse=always "$D/new.img" "$D/cut.img"; chmod 0600 "$D/cut.img"
ok "an image with a dirty journal" up cut $THERE_UID
is "$(as $THERE_UID cat "$D/cut/late")" late "is the other's too"
ok "down" down cut
ok "down" down new

# --- a disk of an earlier version ---------------------------------------------------------------------------------------------------------------

old() {   # NAME OWNER
    truncate -s 24M "$D/$1.img"; chmod 0600 "$D/$1.img"
    mke2fs -q -F -b 4096 -m 0 -E root_owner=$2:$2 "$D/$1.img" && mount -o loop "$D/$1.img" "$SCRATCH/raw" || return 1
    ( cd "$SCRATCH/raw" && echo old >file && chown $2:$2 file && chmod 0600 file && mkdir sub && touch sub/f && chown -R $2:$2 sub
        for id in 1 65535; do touch id.$id && chown $((OLD_FIRST + id)):$((OLD_FIRST + id)) id.$id; done
        echo root >roots; echo foreign >foreign; chmod 0666 foreign; chown 5:5 foreign
        echo below >below; chmod 0666 below; chown $((OLD_FIRST - 1)) below; echo above >above; chmod 0666 above; chown $((OLD_FIRST + 65536)) above )
    umount "$SCRATCH/raw"
}
ok "an image as earlier versions made it" old old $((OLD_FIRST + 1000))
ok "is mounted for this machine" up old $HERE_UID
is "$(owner "$D/old") $(owner "$D/old/file") $(owner "$D/old/sub/f")" "$HERE_UID:$HERE_UID $HERE_UID:$HERE_UID $HERE_UID:$HERE_UID" "its files are the server's"
is "$(owner "$D/old/id.1") $(owner "$D/old/id.65535")" "$((HERE_FIRST + 1)):$((HERE_FIRST + 1)) $((HERE_FIRST + 65535)):$((HERE_FIRST + 65535))" "from the first to the last"
is "$(owner "$D/old/roots")" "$HERE_FIRST:$HERE_FIRST" "what the machine's root once put there is root's inside"
ok "it is read and written" as $HERE_UID sh -c 'cat "$1/file" && echo new >>"$1/file" && mkdir "$1/sub/more" && rm "$1/roots" && test ! -e "$1/lost+found"' - "$D/old"
overflow=$(cat /proc/sys/kernel/overflowuid)
for f in foreign below above; do
    is "$(stat -c %u "$D/old/$f")" "$overflow" "$f, of an id outside its range: shown as nobody's"
    is "$(as $HERE_UID cat "$D/old/$f")" "$f" "$f can be read, as its mode allows"
    nok "$f cannot be written, whatever its mode" as $HERE_UID sh -c 'echo x >>"$1"' - "$D/old/$f"
    nok "$f cannot be removed" as $HERE_UID rm -f "$D/old/$f"
    nok "nor by root of this machine" sh -c 'echo x >>"$1"' - "$D/old/$f"
done
ok "down" down old
is "$(on_disk old /) $(on_disk old /file) $(on_disk old /sub/more)" "$((OLD_FIRST + 1000)):$((OLD_FIRST + 1000)) $((OLD_FIRST + 1000)):$((OLD_FIRST + 1000)) $((OLD_FIRST + 1000)):$((OLD_FIRST + 1000))" \
    "on the disk they keep their range, the new ones too"
ok "up, for its own range" up old $((OLD_FIRST + 1000))
is "$(owner "$D/old/file")" "$((OLD_FIRST + 1000)):$((OLD_FIRST + 1000))" "it is shown as it is"
ok "down" down old

ok "a file system made by hand, root's" old plain 0
ok "is mounted" up plain $HERE_UID
is "$(owner "$D/plain") $(owner "$D/plain/file") $(owner "$D/plain/foreign")" "$HERE_UID:$HERE_UID $HERE_FIRST:$HERE_FIRST $((HERE_FIRST + 5)):$((HERE_FIRST + 5))" \
    "its folder is given to the server, its files have the ids that they have"
ok "down" down plain
ok "one whose folder is of no range" old odd 65600
exits 1 "is refused" up odd $HERE_UID
like "$err" "the disk of odd belongs to uid 65600; allowed: 0 to 65535, or 1000 above" "with what is allowed"
exits 1 "an owner who is of no range of this machine is refused" up odd 999
exits 1 "also at the upper end" up odd 4294967295

# --- a kernel that cannot map --------------------------------------------------------------------------------------------------------------------

unable() { strace -f -qq -o "$TAP_TMP/trace" -e trace=mount_setattr -e inject=mount_setattr:error=EINVAL "$CTL" up "$S" "$1" 16777216 2000 "$2"; }
exits 0 "an empty disk" unable fixed $HERE_UID
like "$err" "warn.*cannot be mapped.*server=fixed ids=$HERE_FIRST" "is given to the range of this machine, and the log says so"
is "$(owner "$D/fixed")" "$HERE_UID:$HERE_UID" "its owner has it"
ok "who writes" as $HERE_UID sh -c 'echo fixed >"$1/file"' - "$D/fixed"
ok "down" down fixed
is "$(on_disk fixed /) $(on_disk fixed /file)" "$HERE_UID:$HERE_UID $HERE_UID:$HERE_UID" "on the disk it has the ids of this machine"
exits 0 "it is mounted again" unable fixed $HERE_UID
like "$err" "warn.*cannot be mapped" "and that is said again"
ok "down" down fixed
exits 1 "for another owner it cannot be" unable fixed $THERE_UID
like "$err" "the disk of fixed has files of the ids from $HERE_FIRST on.*only a disk with ids from $THERE_FIRST on" "which is an error and no weaker mount"
nok "nothing is mounted" mountpoint -q "$D/fixed"
exits 1 "nor a disk of this version with files in it" unable new $HERE_UID
like "$err" "the disk of new has files of the ids from 0 on" "by name"
ok "a kernel that can" up fixed $THERE_UID
is "$(as $THERE_UID cat "$D/fixed/file")" fixed "takes it from where it is"
ok "down" down fixed
strace -f -qq -o "$TAP_TMP/trace" -e trace=mount_setattr -e inject=mount_setattr:error=EPERM "$CTL" up "$S" new 16777216 2000 $HERE_UID 2>"$TAP_TMP/refused"
isnt $? 0 "any other failure of the call is one: $(<"$TAP_TMP/refused")"
nok "nothing is mounted" mountpoint -q "$D/new"

is "$(losetup -nl -O BACK-FILE | grep -cF "$SCRATCH/")" 0 "no loop device is left"
is "$(grep -lsE " ($HERE_FIRST|$THERE_FIRST) " /proc/[0-9]*/uid_map | wc -l)" 0 "nor a process that held a namespace"
done_testing
