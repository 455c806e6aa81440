#!/bin/bash
# Stock sftp against the session's SFTP server and a real files worker, without SSH between them (sftp -D).
. "$(dirname "$0")/../lib/tap.sh"
need_root
need sftp mkfs.ext4
build=${BUILD:-$PWD}
[ -x "$build/t/proc/sftp_stdio" ] || skip_all "no $build/t/proc/sftp_stdio: build first, or name the build tree in BUILD="
uid=54322
scratch
chmod 755 "$SCRATCH"
cd "$SCRATCH" || exit 1
mkdir one two
# The worker runs as another uid, which may not reach the build tree.
cp "$build/holdfast-files" worker
chown $uid one two
options="-u $uid -w $SCRATCH/worker"
batch() { sftp -q -b - -D "$build/t/proc/sftp_stdio $options one=$SCRATCH/one two=$SCRATCH/two" <<<"$1"; }
works() { ok "$1" batch "$2"; }
fails() { nok "$1" batch "$2"; }
same() { ok "$3" cmp "$1" "$2"; }

head -c 9000001 /dev/urandom >big
printf 'small\n' >small
: >empty
touch -d '2001-02-03 04:05:06 UTC' small
chmod 640 small

works "put and get" $'put big one/big\nput small one/small\nput empty one/empty\nget one/big big.back\nget one/empty empty.back'
same big big.back "a large file comes back"
same big one/big "and is what stands on the disk"
is "$(stat -c '%s %u' empty.back one/small | tr '\n' ' ')" "0 0 6 $uid " "an empty file is empty; files are the server's"
works "put -p and chmod" $'put -p small one/kept\nchmod 6711 one/big'
is "$(stat -c '%Y %a' one/kept)" "$(stat -c '%Y %a' small)" "put -p keeps time and mode"
is "$(stat -c %a one/big)" 711 "chmod masks set-user-id"
works "overwrite with less" $'put big one/x\nput small one/x'
same small one/x "no tail is left"
head -c 4000000 big >one/part; chown $uid one/part
works "reput" 'reput big one/part'
same big one/part "a cut upload is completed"
works "rename over, link, symlink" $'rename one/x one/kept\nln one/small one/hard\nsymlink small one/soft\nget one/soft soft.back'
same small soft.back "a symlink is followed inside"
sftp -q -b - -D "$build/t/proc/sftp_stdio -L $options one=$SCRATCH/one" <<<'symlink one/first small' >/dev/null
is "$(readlink one/first)" /small "a client that names the link first makes the same one"
fails "a rename to another server" 'rename one/small two/small'
fails "a link to another server" 'ln one/small two/small'
fails "a new server" 'mkdir three'
fails "a file in the root" 'put small small'
fails "removing a server" 'rmdir two'
fails "a server one does not have" 'ls four'
ln -s /etc one/etc; ln -s ../../.. one/up
fails "an absolute link" 'get one/etc/passwd got'
fails "a link above the top" 'cd one/up'
is "$(batch $'cd one/../../..\npwd' | grep -c 'directory: /$')" 1 ".. ends at /"
is "$(batch 'ls -1' | grep -v '^sftp>' | tr '\n' ' ')" "backups one two " "the root lists the servers"
works "mkdir, rmdir, rm" $'mkdir one/d\nmkdir one/d/e\nput small one/d/e/f\nrm one/d/e/f\nrmdir one/d/e\nrmdir one/d'
works "df" 'df -h one'
works "both servers at once" $'put small one/s\nput small two/s\nget one/s 1\nget two/s 2'

mkdir many
for ((i = 0; i < 600; i++)); do echo "$i" >"many/$i"; done
works "600 files" $'put -r many one/many\nget -r one/many many.back'
ok "are the same" diff -r many many.back
is "$(batch 'ls -1 one/many' | grep -vc '^sftp>')" 600 "a listing is whole"

# rclone's last WRITE of a file is as long as those before it, the data in front: what stands behind it means nothing.
cat >raw.py <<'E2'
import struct, subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def text(b): return struct.pack(">I", len(b)) + b
def ask(kind, body):
    server.stdin.write(text(bytes([kind]) + body)); server.stdin.flush()
    return server.stdout.read(struct.unpack(">I", server.stdout.read(4))[0])
def number(n): return struct.pack(">I", n)
ask(1, number(3))
handle = ask(3, number(1) + text(b"/one/padded") + number(26) + number(0))[9:]
def write(offset, data, behind): return ask(6, number(2) + text(handle) + struct.pack(">Q", offset) + text(data) + behind)
good = [write(0, b"a" * 32768, b""), write(32768, b"end", b"-" * 32765), write(32771, b"", b"--"), write(32771, b"\n", b"")]
good.append(ask(4, number(3) + text(handle)))
sys.exit(any(g[0] != 101 or g[5:9] != number(0) for g in good))
E2
for chunk in 1 300000; do
    ok "bytes behind a WRITE's data, input in pieces of $chunk" python3 raw.py "$build/t/proc/sftp_stdio" $options -c $chunk "one=$SCRATCH/one"
    is "$(tail -c 6 one/padded; stat -c %s one/padded)" $'aaend\n32772' "are left out"
done

# Every cut of the input, from bytes to more than libssh ever hands over.
for chunk in 1 7 4097 300000; do
    size=200000; [ $chunk -gt 10 ] && size=9000001
    head -c $size big >cut
    options="-u $uid -w $SCRATCH/worker -c $chunk" works "input in pieces of $chunk" $'put cut one/cut\nget one/cut cut.back'
    same cut cut.back "makes no difference"
done
options="-u $uid -w $SCRATCH/worker -H two"
works "a session with a home" $'put small homely\nget homely homely.back'
same small two/homely "starts in that server"
options="-u $uid -w $SCRATCH/worker -r files.read"
works "reading needs files.read" 'get one/small got'
fails "and no more: put" 'put small one/w'
fails "rm" 'rm one/small'
fails "chmod" 'chmod 600 one/small'
options="-u $uid -w $SCRATCH/worker"

# A disk of the kind servers have: ext4, nothing kept back.
truncate -s 24M disk
mkfs.ext4 -q -m 0 -N 200 disk
mkdir full
if mount -o loop,nosuid,nodev disk full 2>/dev/null; then
    cleanup umount full
    chown $uid full
    limit=$(($(stat -f -c '%b * %S' full)))
    head -c 40M /dev/zero >zeros
    fill() { sftp -q -b - -D "$build/t/proc/sftp_stdio -u $uid -w $SCRATCH/worker -l $limit x=$SCRATCH/full" <<<"$1"; }
    nok "more than fits" fill 'put zeros x/zeros'
    like "$err" "quota exceeded" "says why, to stock sftp as well"
    free=$(($(stat -f -c '%a * %S' full)))
    atmost $free 16384 "up to the limit"
    # What the file system would not give at once it gives in pieces.
    dd if=/dev/zero of=full/rest bs=1k status=none 2>/dev/null; sync -f full
    precious=$(stat -c %s full/zeros)
    nok "the next one is refused" fill 'put small x/zeros'
    is "$(stat -c %s full/zeros)" "$precious" "before anything is truncated"
    ok "removing makes room" fill $'rm x/zeros\nput small x/small'
    same small full/small "and writing works again"
    rm -f full/small full/rest
    mkdir lots; for ((i = 0; i < 400; i++)); do echo >"lots/$i"; done
    nok "more files than inodes" fill 'put -r lots x/lots'
    like "$err" "quota exceeded .* files and directories" "says that"
else
    skip "a full disk" "no loop mounts here"
fi
is "$(pgrep -f "^holdfast-files" -u $uid | wc -l)" 0 "no worker is left"
done_testing
