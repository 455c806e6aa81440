#!/bin/bash
# holdfast-quotafs: what a server may try against its limit, its death in mid-write, limits that change, the same answers as the bare folder,
# many inodes.  HOLDFAST_LONG=1: a million of them.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
need_root
need setpriv python3
HERE=$TAP_HERE
BUILD=${BUILD:-$HERE/build}
[ -x "$BUILD/t/sys/fusectl" ] || skip_all "no fusectl: 'make check' builds it"
[ -c /dev/fuse ] || skip_all "no /dev/fuse"
scratch
chmod 0755 "$SCRATCH"
mkdir "$SCRATCH/state" "$SCRATCH/run"
D=$SCRATCH/state/servers BASE=2012345664 USER_ID=2012346664 LIMIT=16777216
ctl() { timeout -k 5 "${CTL_BOUND:-60}" "$BUILD/t/sys/fusectl" "$SCRATCH/state" "$SCRATCH/run" "$BUILD" "$@"; }
as() { timeout -k 5 "${AS_BOUND:-120}" setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"; }
all_down() {
    local m
    for m in "$D"/*.fuse; do [ -e "$m" ] || continue; m=$(basename "$m" .fuse); ctl down "$m" || { umount -l "$D/$m"; ctl end "$m"; }; done
} 2>/dev/null
cleanup all_down
# What the disk has, flushed, and what is used: "bytes inodes".
truth() {
    sync -f "$D/$1.fuse"
    python3 -c '
import os, sys
seen = {}
def look(p):
    s = os.lstat(p)
    seen[s.st_ino] = s.st_blocks * 512
# By descriptors: it may be deep.
stack = [os.open(sys.argv[1], os.O_RDONLY)]
look(sys.argv[1])
while stack:
    d = stack.pop()
    with os.scandir(d) as names:
        for n in names:
            s = n.stat(follow_symlinks=False)
            seen[s.st_ino] = s.st_blocks * 512
            if n.is_dir(follow_symlinks=False):
                stack.append(os.open(n.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=d))
    os.close(d)
print(sum(seen.values()), len(seen))' "$D/$1.fuse/tree"
}
used() { ctl use "$1" 2>/dev/null | cut -d' ' -f1,2; }
alike() { sleep 0.1; [ "$(used "$1")" = "$(truth "$1")" ]; }
# The kernel tells of the last close a little later.
agrees() { wait_until 5 alike "$1"; is "$(used "$1")" "$(truth "$1")" "$2: what is counted is what the disk has"; }
UP=0
up() { ctl up "$@" >"$TAP_TMP/up" 2>"$TAP_TMP/up.log" || return 1; UP=$(sed -n 's/.*holdfast-quotafs\[\([0-9]*\)\]: serves.*/\1/p' "$TAP_TMP/up.log"); }

ok "it fits this machine" ctl fit one
nok "there is none yet" ctl has one
ok "up" up one $LIMIT 2000 $USER_ID
ok "now there is" ctl has one
is "$(stat -c %u:%g:%a "$D/one")" "$USER_ID:$USER_ID:750" "the folder is the server's"
is "$(stat -c %u:%g:%a "$D/one.fuse" "$D/one.fuse/tree" | tr '\n' ' ')" "0:0:700 1000:1000:750 " "on the disk root's, and within the server's own ids"
is "$(stat -f -c '%b %c' "$D/one")" "4096 2000" "statfs: the limits"
is "$(awk '$1 == "Uid:" { print $2 }' /proc/$UP/status)" $BASE "the process is the first of the range"
is "$(awk '$1 == "CapEff:" || $1 == "CapBnd:" { printf "%s ", $2 }' /proc/$UP/status)" "00000000000000db 00000000000000db " "with six capabilities"
is "$(awk '{ print $2, $3 }' /proc/$UP/uid_map)" "$BASE 65536" "over the range alone"
is "$(awk '$1 == "NoNewPrivs:" || $1 == "Seccomp:" { printf "%s ", $2 }' /proc/$UP/status)" "1 2 " "locked"
is "$(awk '{ print $6 }' /proc/$UP/stat)" "$UP" "in a session of its own"
nok "its socket is root's" as test -w "$SCRATCH/run/quota/one.sock"
ok "up again is harmless" ctl up one $LIMIT 2000 $USER_ID
is "$(grep -c " $D/one " /proc/self/mountinfo)" 1 "and mounts nothing"
exits 1 "root of this machine makes nothing in it" touch "$D/one/roots"
ok "as on an image, ids of the range can be given" sh -c 'touch "$1" 2>/dev/null; setpriv --reuid $2 --regid $2 --clear-groups touch "$1" && chown $3:$3 "$1"' - "$D/one/given" $USER_ID $((BASE + 5))
is "$(stat -c %u:%g "$D/one/given" "$D/one.fuse/tree/given" | tr '\n' ' ')" "$((BASE + 5)):$((BASE + 5)) 5:5 " "and are those of inside on the disk"
exits 1 "and no others" chown 0 "$D/one/given"
rm -f "$D/one/given"

# --- whatever it tries -----------------------------------------------------------------------------------------------------------------------

EMPTY=$(used one)
attack() {   # NAME [LIMIT]
    local limit=${2:-$LIMIT}
    as python3 -B "$HERE/t/lib/quotafs.py" "$1" "$D/one" "$limit" >"$TAP_TMP/attack" 2>&1 || echo "not ok exit code $?" >>"$TAP_TMP/attack"
    import_results "$TAP_TMP/attack" "$1: "
    agrees one "$1"
    atmost "$(truth one | cut -d' ' -f1)" "$limit" "$1: bytes on the disk are within the limit"
    atmost "$(truth one | cut -d' ' -f2)" 2000 "$1: and inodes"
    as sh -c 'cd "$1" && chmod -R u+rwx . 2>/dev/null; find . -depth -mindepth 1 -delete' - "$D/one"
    wait_until 5 alike one
    atmost $(($(used one | cut -d' ' -f1) - ${EMPTY% *})) 1048576 "$1: removed, but for what the root folder has grown"
    is "$(used one | cut -d' ' -f2)" 1 "$1: nothing is left"
}
for a in sequential direct truncate allocate holes sparse copies mapped replaced links unlinked attributes names long_names special storm; do attack $a; done
for i in 1 2 3; do
    rm -rf "$SCRATCH/bare"; mkdir "$SCRATCH/bare"; chown $USER_ID:$USER_ID "$SCRATCH/bare"; chmod 0750 "$SCRATCH/bare"
    ctl resize one 1073741824 100000 >/dev/null 2>&1
    as python3 -B "$HERE/t/lib/quotafs.py" twice "$SCRATCH/bare" "$D/one" $((RANDOM + i)) >"$TAP_TMP/attack" 2>&1 || echo "not ok exit code $?" >>"$TAP_TMP/attack"
    import_results "$TAP_TMP/attack" "beside the bare folder, "
    agrees one "then"
    as find "$D/one" -mindepth 1 -delete
done

# --- limits that change ------------------------------------------------------------------------------------------------------------------------

ok "a smaller limit" ctl resize one 4194304 2000
is "$(stat -f -c '%b' "$D/one")" 1024 "is shown at once"
exits 1 "and holds" as dd if=/dev/zero of="$D/one/a" bs=1M count=8
is "$(ctl use one | cut -d' ' -f1,3)" "4194304 4194304" "to the byte"
ok "a larger one" ctl resize one 8388608 2000
exits 1 "is filled" as dd if=/dev/zero of="$D/one/b" bs=1M count=8
is "$(ctl use one | cut -d' ' -f1)" 8388608 "to the byte as well"
ok "one below what is used" ctl resize one 1048576 1
is "$(stat -f -c '%a %d' "$D/one")" "0 0" "leaves nothing"
nok "nothing more is written" as sh -c 'echo x >>"$1/c"' - "$D/one"
ok "what is there can be read" as cat "$D/one/b"
ok "and overwritten" as dd if=/dev/zero of="$D/one/b" bs=1M count=1 conv=notrunc
ok "and removed" as rm "$D/one/a" "$D/one/b"
ctl watch one 4 >"$TAP_TMP/watch" & watcher=$!
ok "a limit to write in" ctl resize one $LIMIT 2000
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do as dd if=/dev/zero of="$D/one/w$i" bs=64k count=1 2>/dev/null; sleep 0.2; done
wait $watcher
atleast "$(wc -l <"$TAP_TMP/watch")" 3 "who watches is told of it"
atmost "$(wc -l <"$TAP_TMP/watch")" 7 "about once a second"
rm -f "$D"/one/w*

# --- its death ---------------------------------------------------------------------------------------------------------------------------------

as sh -c 'echo kept >"$1/kept"; sync "$1/kept"' - "$D/one"
as dd if=/dev/zero of="$D/one/big" bs=64k count=100000 2>"$TAP_TMP/dd" & writer=$!
setpriv --reuid $USER_ID --regid $USER_ID --clear-groups sh -c 'cd "$1" && exec sleep 30' - "$D/one" & stander=$!
sleep 0.3
kill -9 "$UP"
start=$(now_us)
wait $writer; isnt $? 0 "killed in mid-write: the writer gets an error"
exits 1 "and so does everybody" as cat "$D/one/kept"
like "$err" "not connected|Software caused|Input/output" "$err"
atmost $((($(now_us) - start) / 1000)) 5000 "at once, ms"
ok "up, though somebody still stands in the dead one" up one $LIMIT 2000 $USER_ID
is "$(as cat "$D/one/kept")" kept "serves what there is"
agrees one "and has counted it"
ok "and goes on" as sh -c 'rm "$1/big" && echo more >>"$1/kept"' - "$D/one"
kill $stander 2>/dev/null; wait $stander 2>/dev/null
kill -9 "$UP"
ok "down of a dead one" ctl down one
nok "nothing is mounted" mountpoint -q "$D/one"
ok "up" up one $LIMIT 2000 $USER_ID
setpriv --reuid $USER_ID --regid $USER_ID --clear-groups sleep 20 <"$D/one/kept" & stander=$!
sleep 0.2
exits 1 "down while it is in use" ctl down one
like "$err" "in use, by process [0-9]+" "says by whom"
ok "it still serves" as cat "$D/one/kept"
kill $stander; wait $stander 2>/dev/null
ok "then it goes down" ctl down one
ended() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
ok "and its process has gone" wait_until 5 ended "$UP"
ok "down again is harmless" ctl down one
exits 1 "nobody tells its use" ctl use one
ok "up for another owner" up one $LIMIT 2000 1967080
is "$(stat -c %u "$D/one/kept")" 1967080 "shows it as his"
ok "up for the first" up one $LIMIT 2000 $USER_ID
is "$(as cat "$D/one/kept" | head -n 1)" kept "and back"
old=$UP
setpriv --reuid $USER_ID --regid $USER_ID --clear-groups sleep 30 <"$D/one/kept" & stander=$!
sleep 0.2
ok "somebody takes the mount away, and another holds it" umount -l "$D/one"
ok "up" up one $LIMIT 2000 $USER_ID
isnt "$UP" "$old" "is another process"
ok "the one before has been ended: two would count apart" wait_until 5 ended "$old"
is "$(as cat "$D/one/kept" | head -n 1)" kept "and it serves"
kill $stander; wait $stander 2>/dev/null
ok "down" ctl down one
ok "drop" ctl drop one
nok "it has gone" ctl has one

# --- many --------------------------------------------------------------------------------------------------------------------------------------

N=100 ; [ -z "${HOLDFAST_LONG:-}" ] || N=1000
ok "up" up many 17179869184 2000000 $USER_ID
ok "down" ctl down many
mkdir -p "$D/many.fuse/tree"
CTL_BOUND=600 RUN_BOUND=600
ok "$((N * 1000)) inodes in $N folders" python3 -c '
import os, sys
os.chdir(sys.argv[1])
for i in range(int(sys.argv[2])):
    os.mkdir(f"{i}")
    for j in range(999):
        os.mknod(f"{i}/file-{j}")' "$D/many.fuse/tree" $N
start=$(now_us)
ok "up" up many 17179869184 2000000 $USER_ID
diag "counted and mounted in $((($(now_us) - start) / 1000)) ms"
is "$(ctl use many | cut -d' ' -f2)" $((N * 1000 + 1)) "all are counted"
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status"; }
before=$(rss "$UP")
start=$(now_us)
is "$(find "$D/many" -links -3000 -size -100 -printf x | wc -c)" $((N * 1000 + 1)) "all are seen"
diag "$(($(now_us) - start)) us; of the process $before KiB before, $(rss "$UP") KiB with all of them known, $((($(rss "$UP") - before) * 1024 / (N * 1000))) bytes each"
most=200; ! ldd "$BUILD/holdfast-quotafs" | grep -q libasan || most=1000
atmost $((($(rss "$UP") - before) * 1024 / (N * 1000))) "$most" "bytes of memory each"
atmost "$(ls "/proc/$UP/fd" | wc -l)" 1100 "descriptors are few"
sync; echo 2 >/proc/sys/vm/drop_caches
diag "$(rss "$UP") KiB when the kernel has forgotten them"
ok "and all can be removed" rm -rf "$D/many/1"
is "$(ctl use many | cut -d' ' -f2)" $(((N - 1) * 1000 + 1)) "and given back"
ok "down" ctl down many
ok "drop" ctl drop many
is "$(find "$D" -mindepth 1 -maxdepth 1 -name '*.fuse' | wc -l)" 0 "nothing is left"
done_testing
