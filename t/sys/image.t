#!/bin/bash
# Imported images, the whole way: in, listed, run on, seen from inside, held on to while they are used, and out again.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need tar ldd mkfifo python3
BUSYBOX=$(command -v busybox) && ! ldd "$BUSYBOX" >/dev/null 2>&1 || skip_all "no static busybox (Debian: busybox-static)"
scratch
cat >"$SCRATCH/more.ini" <<'EOI'
[limits]
image_size = 2G
image_files = 60000
[server one]
image = busy
command = /bin/busybox sh ./run
restart = never
[server two]
command = /usr/bin/python3 ./run
environment = GREETING=hello there
restart = never
[server same]
owner = alice
image = python
command = /usr/bin/python3 ./run
environment = GREETING=hello there
disk = 64M
inodes = 20000
memory = 128M
pids = 64
restart = never
port = 31009/tcp
EOI
rig_up --ini "$SCRATCH/more.ini"
cd "$SCRATCH" || exit 1
S=$CONFIG/servers.d/rig.ini IMAGES=$PREFIX/state/images
tool() { timeout 100 "$TOOL" --run "$RUN" "$@"; }
nothing_half() { [ -z "$(find "$IMAGES" -mindepth 1 -maxdepth 1 -name '.*')" ] && [ -z "$(role_pids archive)" ]; }
log_of() { hf alice logs "$1" -n 200 | sed 's/^[^\t]*\t//'; }
has_said() { log_of "$1" | grep -qx "$2"; }
is_dead() { ! alive "$SERVER_PID"; }
dies() { kill -KILL "$SERVER_PID"; wait_until 10 is_dead; }
sets() { sed -i "/^\[server $1\]/,/^\[/s/^image = .*/image = $2/" "$S"; }

# --- an image that is not there ---------------------------------------------------------------------------------------------------------

exits 1 "-t says which image is missing" "$DAEMON" -c "$CONFIG" -t
like "$out" 'FAIL images: [^ ]*rig.ini:[0-9]+: server (one|same): .*there is no image .(busy|python).*allowed: host' "where, whose, and what is allowed"
ok "the daemon says it at its start, and runs all the same" logged 'image.missing error=".*server (one|same)'
exits 1 "a reload refuses it" tool reload
like "$err" 'there is no image' "with the reason"
exits 1 "a server is not started without its image" hf alice start one --wait
like "$out$err" "there is no image 'busy'" "and it is said"
is "$(field one state)" failed "it failed"

# --- in ---------------------------------------------------------------------------------------------------------------------------------

mkdir -p busy/bin busy/etc busy/lib busy/var && cp "$BUSYBOX" busy/bin/busybox && cp "$BUSYBOX" busy/bin/suid && ln -s busybox busy/bin/sh
chmod 6755 busy/bin/suid; setcap cap_net_raw+ep busy/bin/suid 2>/dev/null
echo 'root:x:0:0:of the image' >busy/etc/passwd; echo 'root:$6$hash' >busy/etc/shadow; echo mine >busy/etc/own; mkfifo busy/fifo
ln -s ../run/systemd/resolve/stub-resolv.conf busy/etc/resolv.conf; ln -s ../tmp busy/var/tmp
tar -C busy -cf busy.tar . && gzip -k busy.tar && xz -k busy.tar && zstd -q busy.tar && bzip2 -k busy.tar
exits 0 "an image is imported" tool image import busy busy.tar.gz
like "$out" '^image busy: [0-9]+ files, [0-9]+ bytes; 1 devices, pipes or sockets left out, 1 shadow files left out$' "with what was left out"
unlike "$out$err" $'[\r\033]' "without a terminal there is no progress"
ok "it is in the log" logged 'image.imported image=busy bytes=[0-9]+ files=[0-9]+'
is "$(stat -c '%U %a' "$IMAGES"; stat -c '%u %a' "$IMAGES/busy/root")" "root 700
$(sed -n 's/^IMAGE_UID=//p' "$PREFIX/rig.env") 755" "nobody on the host reaches it but root; its files are one user's"
is "$(find "$IMAGES/busy/root" -perm /6000)" "" "no set-id bits"
is "$(getcap -r "$IMAGES/busy/root" 2>/dev/null)" "" "no capabilities"
exits 0 "list" tool image list
like "$out" '^busy +[0-9]+ MiB +[0-9]+ files  20[0-9TZ:-]+  used by one$' "name, size, files, created, users"
exits 0 "list for programs" tool image list --json
is "$(python3 -c 'import json,sys; o=json.loads(sys.argv[1]); print(sorted(o), o["image"], o["servers"], o["size"] > 1000000, o["files"] > 10)' "$out")" \
    "['created', 'files', 'image', 'servers', 'size'] busy ['one'] True True" "as JSON"
for e in tar tar.xz tar.zst tar.bz2; do exits 0 "from .$e" tool image import "by-${e##*.}" "busy.$e"; done
exits 0 "from standard input" bash -o pipefail -c 'cat "$1" | "$2" --run "$3" image import by-pipe -' - busy.tar.zst "$TOOL" "$RUN"
is "$(for i in by-pipe by-xz by-bz2 by-tar; do diff -r "$IMAGES/busy/root" "$IMAGES/$i/root"; done)" "" "all the same"
for i in by-tar by-xz by-zst by-bz2 by-pipe; do exits 0 "out: $i" tool image rm $i; done
ok "nothing is left of them" nothing_half
is "$(ls "$IMAGES")" busy "and the one stays"

# --- refused ------------------------------------------------------------------------------------------------------------------------------

exits 3 "a name that is taken" tool image import busy busy.tar
like "$err" 'this image exists' "is refused"
for n in host ../x .x X a/b "" "$(printf 'x%.0s' {1..33})"; do exits 2 "the name '${n:0:10}' is none" tool image import "$n" busy.tar; done
for a in "import busy2" "import" "list x" "rm" "what" "import a b c"; do exits 2 "usage: image $a" tool image $a; done
exits 1 "no file" tool image import x nowhere.tar
like "$err" 'nowhere.tar: No such file' "is said"
exits 1 "removing none" tool image rm nowhere
head -c 5000 busy.tar.gz >cut.tar.gz; echo text >text; mkdir -p layer/usr && : >layer/usr/.wh.bin && tar -C layer -cf layer.tar .
truncate -s 3G hole && tar -cSf hole.tar hole
python3 - <<'E2'
import io, tarfile
for name, heads in (("up", [("../../../../tmp/holdfast-escaped", None)]), ("through", [("x", "/tmp"), ("x/holdfast-escaped", None)]), ("many", [(f"f{i}", None) for i in range(60010)])):
    with tarfile.open(name + ".tar", "w") as t:
        for path, link in heads:
            h = tarfile.TarInfo(path)
            if link:
                h.type, h.linkname = tarfile.SYMTYPE, link
            t.addfile(h, io.BytesIO())
E2
while IFS=: read -r file want; do
    exits 1 "refused: $file" tool image import bad "$file"
    like "$err" "$want" "with the reason"
done <<'E2'
cut.tar.gz:read the archive
text:Unrecognized archive format
layer.tar:one layer of a container's image
up.tar:'\.\.' is not allowed
through.tar:symbolic link
hole.tar:too large: more than 2147483648 bytes \(\[limits\] image_size\)
many.tar:too many files: more than 60000 \(\[limits\] image_files\)
.:Is a directory
E2
ok "nothing is left of these" nothing_half
is "$(ls "$IMAGES")" busy "nor an image made"
ok "nothing went elsewhere" test ! -e /tmp/holdfast-escaped
ok "a failure is in the log" logged 'error: image.failed image=bad error=".*one layer'

# --- two at once, a long one, one that is given up, a death -------------------------------------------------------------------------------

mkfifo slow
"$TOOL" --run "$RUN" image import slow - <slow >slow.out 2>&1 & first=$!
exec 7>slow
head -c 100000 busy.tar >&7
ok "an import is under way" wait_until 10 test -d "$IMAGES/.slow.new"
python3 "$HERE/t/lib/rights.py" watch "$PREFIX" 20 holdfast-archive >results 2>&1
import_results results "an import: "
exits 75 "the same again is refused meanwhile" tool image import slow busy.tar
like "$err" 'this image is being imported' "and says why"
exits 75 "nor is it removed" tool image rm slow
exits 0 "the daemon does other things meanwhile" tool status
exits 0 "another import, too" tool image import other busy.tar
tail -c +100001 busy.tar >&7
exec 7>&-
wait $first
is $? 0 "the slow one ends well"
is "$(diff -r "$IMAGES/slow/root" "$IMAGES/other/root")" "" "and is whole"
"$TOOL" --run "$RUN" image import left - <slow >left.out 2>&1 & left=$!
exec 7>slow
head -c 100000 busy.tar >&7
wait_until 10 test -d "$IMAGES/.left.new"
kill -INT $left; kill $left; wait $left 2>/dev/null
ok "given up, nothing is left" wait_until 10 nothing_half
exec 7>&-
"$TOOL" --run "$RUN" image import dead - <slow >dead.out 2>&1 & dead=$!
exec 7>slow
head -c 100000 busy.tar >&7
wait_until 10 test -d "$IMAGES/.dead.new"
archive=$(role_pids archive)
kill -KILL "$archive"
wait $dead
is $? 1 "a death of the unpacker is a failure"
like "$(cat dead.out)" 'signal 9' "that is told"
ok "and nothing is left" nothing_half
exec 7>&-
"$TOOL" --run "$RUN" image import gone - <slow >gone.out 2>&1 & gone=$!
exec 7>slow
head -c 100000 busy.tar >&7
wait_until 10 test -d "$IMAGES/.gone.new/root/bin"
dies
wait $gone
is $? 69 "the daemon dies"
exec 7>&-
ok "half an image was there" test -d "$IMAGES/.gone.new"
eval "$("$HERE/t/rig" start "$PREFIX" | grep ^SERVER_PID=)"
ok "the next daemon sweeps it" wait_until 10 nothing_half
ok "and says so" logged 'image.swept folder=.gone.new'
is "$(ls "$IMAGES" | tr '\n' ' ')" "busy other slow " "what was whole stays"
exits 0 "an import of that name" tool image import gone busy.tar
for i in gone other slow; do exits 0 "out: $i" tool image rm $i; done
exits 0 "a terminal sees how far it is" script -qec "(head -c 100000 busy.tar; sleep 1; tail -c +100001 busy.tar) | '$TOOL' --run '$RUN' image import shown -" shown.out
like "$(cat shown.out)" 'shown: [0-9]+ files, [0-9]+ MiB' "in one line"
tool image rm shown

# --- run on it ------------------------------------------------------------------------------------------------------------------------------

put_run one <<'E2'
busybox() { /bin/busybox "$@"; }
echo "root: $(busybox ls / | busybox tr '\n' ' ')"
echo "bin: $(busybox ls /bin | busybox tr '\n' ' ')"
echo "lib: $(busybox ls -A /lib /usr 2>&1 | busybox tr '\n' ' ')"
echo "owners: $(busybox stat -c %u:%g / /bin/busybox /etc/own /etc/passwd /dev /home | busybox sort -u | busybox tr '\n' ' ')"
echo "own: $(busybox cat /etc/own) $(busybox ls /etc | busybox tr '\n' ' ')"
echo "server: $(busybox grep ^server: /etc/passwd)"
echo "host: $(busybox hostname) $(busybox cat /etc/hostname)"
echo "resolv: $(busybox head -n 1 /etc/resolv.conf)"
echo "machine: $(busybox wc -c </etc/machine-id)"
for f in /x /bin/x /etc/x /etc/passwd /etc/own /var/x /home/x /sys/x /lib/x /dev/x; do (echo >>$f) 2>/dev/null && echo "WRITTEN $f"; done
busybox rm -f /etc/own /bin/sh 2>/dev/null && echo "REMOVED"
busybox chmod 777 /bin/busybox 2>/dev/null && echo "CHANGED"
for f in /tmp /run /dev/shm /var/tmp /home/server; do echo x >$f/mine && echo "writes $f"; done
busybox test -e /tmp/mine && busybox rm /var/tmp/mine && busybox test ! -e /tmp/mine && echo "one tmp"
for f in /usr/bin /usr/lib /etc/ssl /etc/alternatives /etc/ld.so.cache /etc/nsswitch.conf /etc/shadow /root /boot /home/server/../../etc/ssh; do busybox test -e $f && echo "SEEN $f"; done
busybox awk '$5 == "/" { print "mount: " $6 }' /proc/self/mountinfo
busybox awk '$6 !~ /nosuid/ { print "SETUID " $5 }' /proc/self/mountinfo
echo "status: $(busybox grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | busybox tr -d '\n\t')"
echo "covered: [$(busybox ls -A /proc/fs)$(busybox ls -A /proc/bus)$(busybox cat /proc/keys /proc/kallsyms | busybox head -c 10)]"
echo ready
while read line; do echo "got $line"; done
E2
exits 0 "a server starts on a busybox" hf alice start one --wait --timeout 30
ok "it speaks" wait_until 20 has_said one ready
said=$(log_of one)
while read -r want; do like "$said" "(^|
)$want" "inside: ${want:0:50}"; done <<'E2'
root: bin dev etc home lib proc run sys tmp var 
bin: busybox sh suid 
lib: .*/usr: No such file or directory
own: mine group hostname hosts machine-id own passwd resolv\.conf 
server: server:x:1000:1000:
host: one one
resolv: nameserver 1\.1\.1\.1
machine: 33
writes /tmp
writes /run
writes /dev/shm
writes /var/tmp
writes /home/server
one tmp
mount: ro,nosuid,nodev,relatime
status: CapEff:0000000000000000NoNewPrivs:1Seccomp:2
covered: \[\]
E2
unlike "$said" 'WRITTEN|REMOVED|CHANGED|SEEN|SETUID' "nothing written, nothing of the host, nothing set-id"
case $(stat -f -c %T "$IMAGES") in
ext2/ext3|xfs|btrfs) like "$said" $'owners: 0:0 \n' "all of it is root's inside" ;;
*) like "$said" 'owners: [0-9]+:' "its files have an owner inside, if not root where the file system has no mapped mounts" ;;
esac
hf alice send one hello
ok "and listens" wait_until 10 has_said one "got hello"

# --- rsync needs nothing of the image ---------------------------------------------------------------------------------------------------------

if command -v rsync >/dev/null; then
    echo by rsync >sent
    exits 0 "rsync to a server whose image has no rsync" timeout 60 rsync -e "ssh -F $SSH_CONFIG" sent alice:/one/sent
    is "$(cat "$PREFIX/state/servers/one/sent")" "by rsync" "arrives"
fi

# --- held while it is used --------------------------------------------------------------------------------------------------------------------

exits 3 "an image that a server is configured with stays" tool image rm busy
like "$err" 'image busy is used by one: ' "and it is said whose"
exits 0 "in" tool image import python busy.tar
sets one host
exits 0 "the server gets another" tool reload
exits 3 "but it runs on the old one still" tool image rm busy
like "$err" 'used by one \(until it stops\)' "which is said"
dies
eval "$("$HERE/t/rig" start "$PREFIX" | grep ^SERVER_PID=)"
ok "it outlives the daemon" wait_until 10 state_is one running
exits 3 "and the next one knows what it runs on" tool image rm busy
hf alice send one again
ok "it can still use all of it" wait_until 10 has_said one "got again"
exits 0 "stop" hf alice kill one --wait --timeout 20
is "$(find "$RUN/shims" -name '*.image')" "" "the note has gone with it"
exits 0 "now it may go" tool image rm busy
ok "and is gone" nothing_half
is "$(ls "$IMAGES")" python "the other stays"
exits 1 "a server cannot be given it any more" bash -c "sed -i '/^\[server one\]/,/^\[/s/^image = .*/image = busy/' '$S'; '$TOOL' --run '$RUN' reload"
like "$err" "there is no image 'busy'.*allowed: host python" "what there is, is named"
sets one host
chown 0:0 "$IMAGES/python/root"
exits 1 "an image of another owner is not used" hf alice start same --wait
like "$out$err" 'allowed: uid [0-9]+, mode 755' "and it is said why"
chown "$(sed -n 's/^IMAGE_UID=//p' "$PREFIX/rig.env")" "$IMAGES/python/root"

# --- the same sandbox: what is tried on the host's root and on an imported one is answered alike ---------------------------------------------------

sets same host
tool reload >/dev/null
exits 0 "out" tool image rm python
python=$(readlink -f /usr/bin/python3) library=$(python3 -c 'import os; print(os.path.dirname(os.__file__))')
mkdir -p py/usr/bin py/usr/lib py/usr/share/of-the-image && ln -s usr/bin usr/lib usr/lib64 py/ 2>/dev/null; mkdir -p py/usr/lib64
cp "$python" py/usr/bin/ && ln -sf "$(basename "$python")" py/usr/bin/python3 && cp "$BUSYBOX" py/usr/bin/busybox && ln -s busybox py/usr/bin/sh && ln -s busybox py/usr/bin/env
{ ldd "$python"; find "$library/lib-dynload" -name '*.so' -exec ldd {} +; } 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*' | grep '^/lib' | sort -u | while read -r f; do
    mkdir -p "py/usr$(dirname "$f")" && cp -L "$f" "py/usr$f"
done
mkdir -p "py$library" && tar -C "$library" --exclude=test --exclude='dist-packages' --exclude='__pycache__' -cf - . | tar -C "py$library" -xf -
tar -C py -cf - . | zstd -q >py.tar.zst
exits 0 "an image with a python" tool image import python py.tar.zst
sets same python
exits 0 "reload" tool reload
printf '[["127.0.0.1", %s], ["10.213.%s.1", %s]]' "$PORT" "$SLICE" "$PORT" >targets.json
for s in two same; do
    put alice targets.json /$s/targets.json >/dev/null
    put alice "$HERE/t/payload/probe" /$s/run >/dev/null
    exits 0 "start $s" hf alice start $s --wait --timeout 30
done
has_report() { batch alice <<<"get /$1/report.json $SCRATCH/$1.json" >/dev/null 2>&1 && [ -s "$1.json" ]; }
for s in two same; do wait_until 90 has_report $s || { diag "$(log_of $s | tail -n 20)"; bail "the probe on $s wrote no report"; }; done
python3 - >results 2>&1 <<'E2'
import json, re
host, image = (json.load(open(f"{n}.json")) for n in ("two", "same"))
def ok(good, words, why=""):
    print("ok" if good else "not ok", words)
    if not good:
        print(f"# {why}"[:1500])
ok(not host.get("broken") and not image.get("broken"), "the probe ran through on both", (host.get("broken"), image.get("broken")))
mine = lambda said: re.sub(r"10\.213\.\d+\.\d+", "ADDRESS", said)
differ = {n: (host["tried"].get(n), image["tried"].get(n)) for n in set(host["tried"]) | set(image["tried"])
          if mine(host["tried"].get(n, "-")) != mine(image["tried"].get(n, "-"))}
# What an image may have of its own, empty or not: a folder of that name in a read-only root.
own = {"read /root", "read /boot", "read /etc/ssh", "read /var/lib", "read /var/log", "read /usr/src/x", "write /sys/x", "write /usr/bin/x",
       "connect 127.0.0.1:" , "fork", "400 MiB of memory"}
left = {n: v for n, v in differ.items() if n not in own}
ok(len(host["tried"]) > 80 and not left, f"{len(host['tried'])} things tried, all answered alike", left)
for k in ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"):
    if host["status"][k] != image["status"][k]:
        ok(False, k, (host["status"][k], image["status"][k]))
ok(host["limits"] == image["limits"] and host["dev"] == image["dev"] and host["home"] == image["home"], "the same limits, /dev and /home")
points = lambda r: {l.split()[4]: l.split()[5] for l in r["mountinfo"]}
a, b = points(host), points(image)
ok({p for p in a if p.startswith(("/proc", "/dev", "/tmp", "/run", "/home/"))} == {p for p in b if p != "/dev" and p.startswith(("/proc", "/dev", "/tmp", "/run", "/home/"))},
   "the same mounts over proc, dev, tmp, run", set(a) ^ set(b))
ok(all("nosuid" in o.split(",") for o in b.values()), "all nosuid", b)
writable = {p for p, o in b.items() if o.startswith("rw")}
ok(writable == {p for p, o in a.items() if o.startswith("rw")} | {"/var/tmp"}, "writable is what was, and /var/tmp", writable)
ok(not [l for l in image["mountinfo"] if "/state/images/python/root /" not in l and "holdfast-rig" in l], "no path of the host but the image's own", image["mountinfo"])
ok("/usr" not in b and "/etc/ld.so.cache" not in b and "/etc/alternatives" not in b, "nothing of the host is mounted", sorted(b))
E2
import_results results ""
for s in two same; do hf alice kill $s --wait >/dev/null; done

# --- what stands in for an image but is none: launch checks for itself --------------------------------------------------------------------------------

rm -rf "$IMAGES/python/root/proc"; ln -s ../../../../.. "$IMAGES/python/root/proc"
exits 1 "an image whose /proc is a link" hf alice start same --wait
like "$out$err" 'the image has no: proc|has another kind of: proc' "is refused by launch"
rm "$IMAGES/python/root/proc"; mkdir "$IMAGES/python/root/proc"; rm "$IMAGES/python/root/etc/hosts"; ln -s /etc/hosts "$IMAGES/python/root/etc/hosts"
exits 1 "or one of whose files to cover is one" hf alice start same --wait
like "$out$err" 'the image has no: etc/hosts|has another kind of: etc/hosts' "too"

# --- a true Debian ---------------------------------------------------------------------------------------------------------------------------------

debian="a Debian 12 by mmdebstrap"
if ! command -v mmdebstrap >/dev/null; then
    skip "$debian" "mmdebstrap is not installed"
elif ! timeout 600 nice mmdebstrap --quiet --variant=essential --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm debian.tar "deb http://deb.debian.org/debian bookworm main" >mmdebstrap.log 2>&1; then
    skip "$debian" "its packages cannot be had"
else
    exits 0 "$debian is imported" tool image import debian12 debian.tar
    diag "$out"
    rm debian.tar
    sed -i '/^\[server one\]/,/^\[/s/^command = .*/command = .\/run/' "$S"
    sets one debian12
    exits 0 "reload" tool reload
    put_run one <<'E2'
#!/bin/bash
. /etc/os-release
echo "this is $PRETTY_NAME"
/usr/bin/perl -e 'print "perl $^V\n"'
ls -ld /bin /lib64 /etc/shadow 2>&1
id; getent hosts localhost; getent passwd server
stat -c '%U %G %a' /usr/bin/su /usr/bin/mount | sort -u
ls /etc/debian_version /usr/share/base-files/profile
ls -d /usr/share/of-the-host 2>/dev/null
cat /proc/mounts | wc -l
tty; touch /var/tmp/x /tmp/y && rm /var/tmp/x; dpkg -l bash | tail -n 1 | cut -c 1-7
echo all is said; sleep 600
E2
    exits 0 "a server starts on it" hf alice start one --wait --timeout 30
    ok "it is up" wait_until 20 has_said one "all is said"
    said=$(log_of one | sed '1,/^this is/{/^this is/!d}')
    like "$said" 'this is Debian GNU/Linux 12 \(bookworm\)' "it is what it says"
    like "$said" 'perl v5\.36' "its perl runs"
    like "$said" '/bin -> usr/bin' "with merged /usr"
    like "$said" 'uid=1000\(server\) gid=1000\(server\)' "its libc knows the server's user"
    like "$said" '::1 +localhost|127.0.0.1 +localhost' "and localhost"
    like "$said" 'ii  bas' "its dpkg reads its own records"
    like "$said" 'root root 755' "set-id programs are none, and root's"
    unlike "$said" 'root:x|shadow$' "no shadow file"
    diag "$(grep -E '^this|^perl' <<<"$said" | tr '\n' ' ')"
    exits 0 "kill" hf alice kill one --wait --timeout 20
    sets one host
    tool reload >/dev/null
    exits 0 "and out" tool image rm debian12
fi
sets same host
tool reload >/dev/null
exits 0 "the last one out" tool image rm python
is "$(ls -A "$IMAGES")" "" "nothing is left"
ok "the daemon is up" daemon_up
done_testing
