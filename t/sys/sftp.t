#!/bin/bash
# Files with every stock client: sftp, scp in both modes, sshfs, rclone, lftp, paramiko; what an operation says is what it did.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
printf 'hello\n' >small
head -c 3000000 /dev/urandom >mid
: >empty
sum() { sha256sum <"$1" | cut -c1-64; }
# One command per line; output without the echoed commands.
say() { batch "${WHO:-alice}" <<<"$1" 2>&1 | grep -v '^sftp> '; }
put_ok() { ok "$1" batch alice <<<"$2"; }
put_bad() { nok "$1" batch alice <<<"$2"; }

# --- the root -----------------------------------------------------------------------------------------------------------------------

is "$(say 'ls -1 /')" $'/backups\n/one\n/two' "alice sees her two servers in /, and their backups"
is "$(WHO=bob say 'ls -1 /')" $'/backups\n/three' "bob sees his"
nok "bob does not see alice's" batch bob <<<"ls /one"
nok "and cannot guess a file of hers" batch bob <<<"get /one/run got"
is "$(say pwd)" "Remote working directory: /" "a login starts in /"
nok "the root cannot be written" batch alice <<<"put small /small"
nok "nor can a folder be made in it" batch alice <<<"mkdir /new"
nok "nor a server renamed" batch alice <<<"rename /one /uno"
nok "nor removed" batch alice <<<"rmdir /one"

# --- one by one ---------------------------------------------------------------------------------------------------------------------

put_ok "put" $'put small /one/small\nput mid /one/mid\nput empty /one/empty'
put_ok "get" $'get /one/small small.back\nget /one/mid mid.back\nget /one/empty empty.back'
is "$(sum small.back) $(sum mid.back) $(sum empty.back)" "$(sum small) $(sum mid) $(sum empty)" "what came back is what was sent"
is "$(say 'ls -1 /one')" $'/one/empty\n/one/mid\n/one/small' "ls"
like "$(say 'ls -l /one/mid')" '^-rw.* 3000000 .* /one/mid$' "ls -l shows type, mode and size"
put_ok "overwrite with less" $'put small /one/mid2\nput mid /one/mid2\nput small /one/mid2\nget /one/mid2 mid2.back'
is "$(sum mid2.back)" "$(sum small)" "leaves no tail"
put_ok "mkdir, a file in it, rename it all" $'mkdir /one/d\nmkdir /one/d/e\nput small /one/d/e/f\nrename /one/d /one/g\nget /one/g/e/f f.back'
is "$(sum f.back)" "$(sum small)" "the file moved along"
put_bad "a folder that is not empty is not removed" "rmdir /one/g"
put_bad "rm does not remove a folder" "rm /one/g/e"
put_ok "rm, rmdir" $'rm /one/g/e/f\nrmdir /one/g/e\nrmdir /one/g'
put_bad "what is gone is gone" "ls /one/g"
put_ok "rename over a file (posix-rename)" $'put small /one/a\nput mid /one/b\nrename /one/a /one/b\nget /one/b b.back'
is "$(sum b.back)" "$(sum small)" "replaces it"
put_bad "rename of what is not there" "rename /one/nothing /one/b"
put_bad "get of what is not there" "get /one/nothing nothing"
put_bad "mkdir where something is" "mkdir /one/b"
put_ok "rename from one folder to another" $'mkdir /one/h\nrename /one/b /one/h/b\nls /one/h/b'
put_bad "rename from one server to another" "rename /one/h/b /two/b"
put_ok "names with spaces, quotes, utf-8 and a newline's neighbours" $'put small "/one/a b\'c\\"d.txt"\nput small /one/größe-日本.txt'
like "$(say 'ls -1 /one')" "größe-日本.txt" "are listed as they are"
put_ok "and removed" $'rm "/one/a b\'c\\"d.txt"\nrm /one/größe-日本.txt'
long=$(printf 'x%.0s' {1..255})
put_ok "a name of 255 bytes" "put small /one/$long"
put_bad "one of 256 is refused" "put small /one/x$long"
put_ok "and the first goes" "rm /one/$long"

# A close waits for company on its way to the worker; alone it goes soon as well.
cat >look <<'END'
worker=$(pgrep -n -P "$1" -f holdfast-files) || exit
for _ in {1..100}; do
    ls -l "/proc/$worker/fd" | grep -q /small.closed || { echo closed >closed; exit; }
    sleep 0.05
done
END
put_ok "put, and the client stays" "put small /one/small.closed"$'\n'"!bash look $SERVER_PID"$'\n'"rm /one/small.closed"
is "$(cat closed)" closed "the worker closes the file though nothing else is asked"

# --- modes and times ------------------------------------------------------------------------------------------------------------------

cp small stamped; chmod 0750 stamped; touch -d '2020-02-03 04:05:06 UTC' stamped
put_ok "put -p, get -p" $'put -p stamped /one/stamped\nget -p /one/stamped stamped.back'
is "$(stat -c '%a %Y' stamped.back)" "$(stat -c '%a %Y' stamped)" "keep mode and time"
put_ok "chmod" $'chmod 0604 /one/stamped\nget -p /one/stamped chmod.back'
is "$(stat -c %a chmod.back)" 604 "changes the mode"
put_ok "chmod with set-user-id" $'chmod 6755 /one/stamped\nget -p /one/stamped suid.back'
inside=$(find "$PREFIX/state/servers" -name stamped 2>/dev/null | head -n 1)
if [ -n "$inside" ]; then
    is "$(stat -c %a "$inside")" 755 "masks set-user-id and set-group-id"
    atleast "$(stat -c %u "$inside")" "$SERVERS_UID" "files belong to the server's uid"
else
    like "$(say 'ls -l /one/stamped')" '^-rwxr-xr-x' "masks set-user-id and set-group-id"
    skip "files belong to the server's uid" "the disk is not mounted where the host sees it"
fi
put_bad "chown to another is refused" "chown 0 /one/stamped"

# --- links --------------------------------------------------------------------------------------------------------------------------------

put_ok "symlink, hard link" $'ln -s small /one/soft\nln /one/small /one/hard\nget /one/soft soft.back\nget /one/hard hard.back'
is "$(sum soft.back) $(sum hard.back)" "$(sum small) $(sum small)" "both lead to the file"
like "$(say 'ls -l /one' | grep soft)" '^l' "the symlink is listed as one"
put_ok "rm of a symlink" $'rm /one/soft\nls /one/small'
for target in /etc/passwd ../../../../etc/passwd /proc/self/root/etc/passwd ../../etc/hostname /two/x ../two; do
    batch alice <<<"ln -s $target /one/escape" >/dev/null 2>&1
    rm -f escaped
    batch alice <<<"get /one/escape escaped" >/dev/null 2>&1
    nok "a symlink to $target leads nowhere" test -s escaped
    batch alice <<<"put small /one/escape" >/dev/null 2>&1
    batch alice <<<"-rm /one/escape" >/dev/null 2>&1
done
like "$(head -n 1 /etc/passwd)" '^root:' "/etc/passwd is whole"
put_bad "dots do not lead out" "get /one/../../../../etc/passwd dots"
is "$(say 'ls -1 /one/..' | sed 's/.*\///')" "$(say 'ls -1 /' | sed 's/.*\///')" "the root's .. is the root" 
put_ok "a folder as symlink target" $'mkdir /one/real\nput small /one/real/x\nln -s real /one/way\nget /one/way/x way.back'
is "$(sum way.back)" "$(sum small)" "is followed inside"

# --- resume, ranges, space -------------------------------------------------------------------------------------------------------------------

head -c 1000000 mid >part
put_ok "reput after a cut" $'put part /one/resumed\nreput mid /one/resumed'
head -c 1500000 mid >got
put_ok "reget after a cut" $'reget /one/resumed got'
is "$(sum got)" "$(sum mid)" "both ends have it whole"
like "$(say 'df /one')" '[0-9]+%' "df"
like "$(say 'df -i /one')" '[0-9]+%' "df -i"
size=$(say 'df /one' | awk 'END { print $1 }')
atmost "$size" 65536 "df shows the server's disk, KiB"
atleast "$size" 49152 "and most of it"

# --- quota ----------------------------------------------------------------------------------------------------------------------------------------

head -c 80M /dev/zero >toobig
fill() { batch alice <<<"put toobig /one/toobig"; }
run fill
isnt "$rc" 0 "80 MiB do not fit in 64"
like "$out$err" "quota exceeded" "and the client is told"
used=$(hf alice quota one --json | python3 -c 'import json,sys; d=json.loads(sys.stdin.readline()); print(d["used"], d["limit"])')
atmost "${used% *}" "${used#* }" "used is within the limit"
put_ok "another server's disk is not touched by it" "put mid /two/mid"
precious=$(sum mid)
put_bad "with nothing left, overwriting is refused" "put toobig /one/mid"
put_ok "the filler goes" "rm /one/toobig"
put_ok "there is room again" $'put mid /one/again\nget /one/again again.back'
is "$(sum again.back)" "$precious" "and what is written is whole"

# --- many -------------------------------------------------------------------------------------------------------------------------------------------

mkdir many; for i in $(seq 1500); do echo "$i" >"many/$i"; done
put_ok "1,500 files" "put -r many /one/many"
is "$(say 'ls -1 /one/many' | wc -l)" 1500 "a long listing is whole"
batch alice <<<"get -r /one/many many.back" >/dev/null 2>&1
is "$(cd many.back 2>/dev/null && cat $(seq 1500) | sha256sum)" "$(cd many && cat $(seq 1500) | sha256sum)" "and so are the files"

# --- scp ----------------------------------------------------------------------------------------------------------------------------------------------

SCP=(scp -F "$SSH_CONFIG" -q)
ok "scp (sftp mode) in" "${SCP[@]}" mid alice:/one/scp.mid
ok "and out" "${SCP[@]}" alice:/one/scp.mid scp.back
is "$(sum scp.back)" "$(sum mid)" "the same"
ok "scp -r -p" "${SCP[@]}" -r -p many alice:/one/scp.many
is "$(say 'ls -1 /one/scp.many' | wc -l)" 1500 "all of it"
ok "scp -O in" "${SCP[@]}" -O mid alice:/one/scpo.mid
ok "and out" "${SCP[@]}" -O alice:/one/scpo.mid scpo.back
is "$(sum scpo.back)" "$(sum mid)" "the same"

# --- sshfs ----------------------------------------------------------------------------------------------------------------------------------------------

if command -v sshfs >/dev/null && [ -c /dev/fuse ]; then
    mkdir mnt
    run sshfs -F "$SSH_CONFIG" alice:/one mnt -o idmap=none
    is "$rc$err" 0 "sshfs mounts"
    if mountpoint -q mnt; then
        cleanup umount "$SCRATCH/mnt"
        ok "cp in" cp mid mnt/sshfs.mid
        is "$(sum mnt/sshfs.mid)" "$(sum mid)" "the same bytes"
        ok "mkdir, mv, append, truncate, rm -r" bash -c 'mkdir -p mnt/s/t && mv mnt/sshfs.mid mnt/s/t/m && echo tail >>mnt/s/t/m &&
            truncate -s 10 mnt/s/t/m && [ "$(stat -c %s mnt/s/t/m)" = 10 ] && rm -r mnt/s'
        ok "random writes" python3 - <<'E2'
import os, random
random.seed(1)
want = bytearray(300000)
with open("mnt/random", "w+b", buffering=0) as f:
    f.write(want)
    for _ in range(60):
        at, n = random.randrange(290000), random.randrange(1, 9000)
        block = random.randbytes(n)
        want[at:at + n] = block
        if len(want) > 300000 + 9000: raise SystemExit("test is wrong")
        f.seek(at); f.write(block)
with open("mnt/random", "rb") as f:
    got = f.read()
raise SystemExit(0 if got == want else "differs")
E2
        ok "times through sshfs" bash -c 'touch -d "2001-01-01 UTC" mnt/small && [ "$(stat -c %Y mnt/small)" = 978307200 ]'
        ok "unmount" umount mnt
        unset 'tap_stack[-1]'
    fi
else
    skip "sshfs" "sshfs or /dev/fuse is missing"
fi

# --- rclone ----------------------------------------------------------------------------------------------------------------------------------------------

printf '[hf]\ntype = sftp\nhost = %s\nport = %s\nuser = alice\nkey_file = %s\nknown_hosts_file = %s\n' "$HOST" "$PORT" "$KEY" "$KNOWN_HOSTS" >rclone.conf
RCLONE=(rclone --config rclone.conf --stats 0 -q)
mkdir rc; for i in $(seq 200); do cp "many/$i" rc/; done
ok "rclone copy" "${RCLONE[@]}" copy rc hf:one/rc
ok "rclone check" "${RCLONE[@]}" check rc hf:one/rc
ok "rclone check --download" "${RCLONE[@]}" check --download rc hf:one/rc
echo changed >rc/1
nok "rclone check finds a difference" "${RCLONE[@]}" check --download rc hf:one/rc
ok "rclone sync" "${RCLONE[@]}" sync rc hf:one/rc
ok "and it is as it should" "${RCLONE[@]}" check --download rc hf:one/rc
ok "rclone purge" "${RCLONE[@]}" purge hf:one/rc
run "${RCLONE[@]}" about hf:one
is "$rc" 0 "rclone about"

# --- lftp ------------------------------------------------------------------------------------------------------------------------------------------------

if command -v lftp >/dev/null; then
    mkdir lf
    LFTP="set sftp:connect-program \"ssh -a -x -F $SSH_CONFIG\"; set net:max-retries 2; set net:timeout 20; set cmd:fail-exit yes; open sftp://alice:@alice"
    ok "lftp mirror -R" lftp -c "$LFTP; mirror -R rc /one/lf"
    ok "lftp mirror" lftp -c "$LFTP; mirror /one/lf lf"
    is "$(diff -r rc lf | head -n 3)" "" "the same"
else
    skip "lftp" "not installed"
fi

# --- paramiko ----------------------------------------------------------------------------------------------------------------------------------------------

if python3 -c 'import paramiko' 2>/dev/null; then
    timeout 120 "$HERE/t/lib/paramiko_files.py" "$HOST" "$PORT" "$KEY" >paramiko.out 2>&1
    code=$?
    import_results paramiko.out "paramiko: "
    is $code 0 "paramiko's script ran to its end"
else
    skip "paramiko" "not installed"
fi

# --- manners --------------------------------------------------------------------------------------------------------------------------------------------------

is "$(role_pids files | wc -l)" 0 "no files worker is left when its sessions are gone"
is "$(role_pids session | wc -l)" 0 "nor a session"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
