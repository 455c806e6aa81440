#!/bin/bash
# holdfast-launch against the kernel: what a sandbox is, what a hostile payload can do in it, what a failure leaves.
# Run in a build tree, as root.  INIT= and SHIM= name other programs than the tests' stand-ins.
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
here=$PWD
dir=$(mktemp -d /tmp/holdfast-launch.XXXXXX)
interface=hft$$
octet=$(($$ % 250 + 1))
gateway=$(printf '01%02XD30A' $octet)   # 10.211.$octet.1, as /proc/net/route has it
base=$((65536 * (3000 + $$ % 20000)))   # not another run's
failed=0
count=0
trap 'rm -rf "$dir"; ip link del $interface 2>/dev/null; rmdir "$cg" 2>/dev/null' EXIT
chmod 755 "$dir"; mkdir "$dir/files"
cp t/lib/hostile "$dir/files/"
chown -R $((base + 1000)):$((base + 1000)) "$dir/files"

run() {
    timeout 60 t/lib/sandbox_run init="${INIT:-$here/t/lib/stand_init}" shim="${SHIM:-$here/t/lib/stand_shim}" dir="$dir/files" \
        interface=$interface host=10.211.$octet.1 inside=10.211.$octet.2 base=$base "$@" 2>&1
}
ok() {   # NAME CONDITION...
    local name=$1; shift
    count=$((count + 1))
    if "$@"; then echo "ok $count - $name"; else echo "not ok $count - $name"; failed=1; fi
}
has() { grep -qE -- "$2" <<<"$1"; }
has_not() { ! grep -qE -- "$2" <<<"$1"; }
gone() {   # the interface and the processes of one sandbox, within 5 s
    for _ in $(seq 100); do
        if ! grep -q "$interface:" /proc/net/dev && ! ps -eo uid | grep -qwE "$base|$((base + 1000))"; then return 0; fi
        sleep 0.05
    done
    return 1
}

out=$(run -- /home/server/hostile)
ok "the hostile payload ran" has "$out" '^ok a thread'
ok "and got nowhere" has_not "$out" '^not ok'
grep '^not ok' <<<"$out" | sed 's/^/# /'
ok "the shim has its descriptors and no others" has "$out" '^shim: fds 0 1 2 3 4 5 6 7 8 9 10 11 12$'
ok "the shim has its uid" has "$out" '^shim: uid=64990 '
ok "files made inside belong to the server's uid" [ "$(stat -c %u "$dir/files/mine")" = $((base + 1000)) ]

out=$(run tty=1 -- /home/server/hostile)
ok "nor with a terminal" has_not "$out" '^not ok'
has_not "$out" '^not ok' || grep '^not ok' <<<"$out" | sed 's/^/# /'
out=$(run tty=1 -- /bin/sh -c 'read line; tty; echo "line=$line"; : >/dev/tty && echo "controls it"')
ok "a terminal of its own devpts" has "$out" '^/dev/pts/0'
ok "typed into by the master" has "$out" '^line=typed'
ok "and controlling" has "$out" '^controls it'

out=$(run -- /bin/sh -c 'cat /proc/self/status; readlink /proc/self/ns/*')
for field in CapInh CapPrm CapEff CapBnd CapAmb; do ok "$field is empty" has "$out" "^$field:	0000000000000000"; done
ok "NoNewPrivs, Seccomp" has "$(tr '\n' ' ' <<<"$out")" 'NoNewPrivs:	1 Seccomp:	2 '
for kind in cgroup ipc mnt net pid time user uts; do
    ok "its own $kind namespace" [ "$(grep "^$kind:" <<<"$out")" != "$(readlink /proc/self/ns/$kind)" -a -n "$(grep "^$kind:" <<<"$out")" ]
done

out=$(run -- /bin/sh -c 'cat /proc/self/mounts; echo ==; ps ax -o pid,args; echo ==; ls -A / /home /etc /var /run; hostname; cat /proc/keys /proc/1/cmdline /proc/cmdline 2>&1')
mounts=$(sed '/^==/,$d' <<<"$out" | grep -vE '^(done|shim:)')
ok "only known mounts" has_not "$(grep -E ' (rw|ro)[, ]' <<<"$mounts" | awk '{print $2}')" '^/(sys|var|root|home|mnt|opt|run/[a-z]+|home/[^s].*)$'
ok "all nosuid" [ -z "$(awk '$4 ~ /^r[ow]/ && $4 !~ /nosuid/' <<<"$mounts")" ]
ok "writable are only home, tmp, shm, run, pts, mqueue, proc" [ "$(awk '$4 ~ /^rw/ { print $2 }' <<<"$mounts" | sort | tr '\n' ' ')" = "/dev/mqueue /dev/pts /dev/shm /home/server /proc /run /tmp " ]
ok "ps sees itself only" [ "$(sed -n '/^==/,/^==/p' <<<"$out" | grep -cE '^ +[0-9]+ ')" -le 3 ]
ok "the host's name is not there" has_not "$out" "^$(hostname)\$"
ok "the server's is" has "$out" '^probe$'
ok "no path of this machine's /etc but the known" has_not "$out" '^(shadow|ssh|fstab|sudoers|cron.d)$'

cat >"$dir/files/serve.py" <<'PY'
import socket
s = socket.create_server(("", 80))
print("listening", flush=True)
c = s.accept()[0]; c.sendall(b"from inside\n"); c.close()
PY
if [ -x /usr/bin/python3 ]; then
    run net=private port=80 -- /usr/bin/python3 /home/server/serve.py >"$dir/out" &
    job=$!
    for _ in $(seq 100); do grep -q listening "$dir/out" && break; sleep 0.05; done
    ok "a low port is reached from the host" [ "$(timeout 5 bash -c "cat </dev/tcp/10.211.$octet.2/80" 2>&1)" = "from inside" ]
    wait $job
fi
out=$(run net=private -- /bin/sh -c 'cat /proc/net/route /proc/net/if_inet6')
ok "a route to the host" has "$out" '^eth0	'
ok "which is the way out" has "$out" "^eth0	00000000	01$(printf '%02X' $octet)D30A	"
ok "the way out is the host alone, which filters" [ "$(grep -cE '^eth0	' <<<"$out") $(grep -cE "^eth0	00000000	$gateway	" <<<"$out")" = "2 1" ]
ok "no IPv6 address but loopback's" has_not "$out" 'eth0$'
six=fd6b:52ca:7d1f:$octet
out=$(run net=private host6=$six::1 inside6=$six::2 -- /bin/sh -c 'cat /proc/net/ipv6_route /proc/net/if_inet6; cat /proc/net/arp')
ok "an IPv6 address where it is to have one" has "$out" '^fd6b52ca7d1f[0-9a-f]*0002 [0-9a-f]* 7e 00 [0-9a-f]* +eth0$'
ok "a way out there as well" has "$out" '^0{32} 00 0{32} 00 fd6b52ca7d1f[0-9a-f]*0001 .* eth0$'
ok "no link-local one" has_not "$out" '^fe80.* 20 .*eth0$'
ok "and the other end known for good" has "$out" "^10.211.$octet.1 +0x1 +0x6 +02:68:0a:d3:"
ok "two IPv6 networks are refused" has "$(run net=private host6=fd00::1 inside6=fd00::5 -- /bin/true)" 'are not of one /126'
out=$(run net=none -- /bin/sh -c 'cat /proc/net/dev')
ok "none: loopback only" has_not "$out" 'eth0'
ok "an ended sandbox leaves no interface, no process" gone

refused() {   # NAME STEP SETTINGS...
    local name=$1 step=$2; shift 2
    out=$(run "$@" -- /bin/true)
    ok "$name: refused" has "$out" "^done ok=0 .*$step"
    ok "$name: nothing left" gone
}
refused "init missing" 'step=open text=/nowhere' init=/nowhere
refused "init no program" 'errno=13 step=exec' init=/etc/passwd net=private
refused "shim missing" 'step=check text=/nowhere' shim=/nowhere net=private
refused "files no directory" "the server's files" dir=/etc/passwd
refused "bad name" 'step=plan text=server' server=../x
refused "host's uids" 'step=plan text=uid base' base=0
refused "shim's uid root" 'step=plan text=shim uid' shimuid=0
refused "two networks" 'step=plan text=the two' net=private host=10.0.0.1 inside=10.0.1.1
refused "no cgroup" 'step=open text=cgroup.kill' cgroup=/tmp
: >"$dir/empty"; head -c 12 /dev/zero >"$dir/odd"; head -c 32776 /dev/zero >"$dir/long"; head -c 80 /dev/zero >"$dir/garbage"
printf '\6\0\0\0\0\0\377\177' >"$dir/all"; cp "$dir/all" "$dir/all.unsealed"; cp "$dir/all" "$dir/unsealable"     # one instruction: allow
refused "no such profile" 'step=plan text=profile 3' profile=3
refused "a filter of nothing" 'step=filter text=0 bytes; allowed: 8 to 32768, by 8' filter="$dir/empty"
refused "a filter of half an instruction" 'step=filter text=12 bytes' filter="$dir/odd"
refused "a filter too long" 'step=filter text=32776 bytes' filter="$dir/long"
refused "a filter that can be changed" 'step=filter text=it is not sealed' filter="$dir/all.unsealed"
refused "a filter on a disk" 'errno=22 step=filter text=it cannot be sealed' filter="$dir/unsealable"
refused "a filter that is none" 'errno=22 step=filter text=as the admin changed it' filter="$dir/garbage"
cat >"$dir/files/calls.py" <<'PY'
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, call in (("socket", lambda: libc.socket(1, 1, 0)), ("mq_open", lambda: libc.mq_open(b"/x", 0)), ("sync", lambda: libc.syscall(162))):
    ctypes.set_errno(0)
    call()
    print(name, ctypes.get_errno(), flush=True)
PY
if [ -x /usr/bin/python3 ] && [ "$(uname -m)" = x86_64 ]; then
    out=$(for p in 0 1 2; do run profile=$p -- /usr/bin/python3 /home/server/calls.py; done | grep -E '^(socket|mq_open|sync) ' | tr '\n' ' ')
    ok "each profile has its own filter" [ "$out" = "socket 0 mq_open 2 sync 1 socket 0 mq_open 1 sync 1 socket 1 mq_open 1 sync 1 " ]
    out=$(run filter="$dir/all" -- /usr/bin/python3 /home/server/calls.py)
    ok "a given filter is the one that is loaded" has "$out" '^sync 0$'
fi
out=$(run -- /nowhere/missing)
ok "missing command: init's to tell" has "$out" 'code=127'

cg=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/hft-$$
if mkdir "$cg" 2>/dev/null; then
    run cgroup="$cg" hold=200 -- /bin/sleep 60 >"$dir/out"
    ok "born in its cgroup" [ "$(wc -l <"$cg/cgroup.procs")" = 2 ]
    ok "the shim is not in it" has_not "$(cat "$cg/cgroup.procs" | xargs -I{} cat /proc/{}/comm)" shim
    echo 1 >"$cg/cgroup.kill"
    ok "cgroup.kill ends it" gone
    for _ in $(seq 50); do rmdir "$cg" 2>/dev/null && break; sleep 0.05; done
    ok "the cgroup is empty" [ ! -d "$cg" ]
fi
# An image in place of the host's /usr.
if [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; then
    make_image() {
        rm -rf --one-file-system "$1"
        mkdir -p "$1"/{bin,etc,proc,dev,tmp,run,home,sys,var/tmp} && cp /bin/busybox "$1/bin/" && touch "$1"/etc/{passwd,group,hostname,hosts,resolv.conf,machine-id}
        chown -R 64989:64989 "$1"
    }
    look='busybox stat -c "owner=%u:%g" / /bin/busybox; busybox ls -A / /etc /dev; busybox grep server: /etc/passwd; busybox touch /x /bin/x /etc/passwd; busybox touch /tmp/x && echo tmp'
    make_image "$dir/image"
    out=$(run image="$dir/image" -- /bin/busybox sh -c "$look")
    ok "an image: its files alone" has "$(tr '\n' ' ' <<<"$out")" '/: bin dev etc home proc run sys tmp var '
    ok "are root's inside" has_not "$out" 'owner=([^0]|0:[^0])'
    ok "our passwd lies over its own" has "$out" '^server:x:1000:'
    ok "it is read-only" [ "$(grep -c 'Read-only file system' <<<"$out")" = 3 ]
    ok "/tmp is not" has "$out" '^tmp$'
    mkdir "$dir/stack" && mount -t tmpfs tmpfs "$dir/stack" && mkdir "$dir/stack/up" "$dir/stack/work" "$dir/stack/all" && chown 64989:64989 "$dir/stack/up" &&
        mount -t overlay overlay -o "lowerdir=$dir/image,upperdir=$dir/stack/up,workdir=$dir/stack/work" "$dir/stack/all"
    out=$(run image="$dir/stack/all" -- /bin/busybox sh -c "$look")
    ok "where mounts cannot be mapped it is nobody's, and works" has "$out" 'owner=65534:65534'
    ok "as read-only" [ "$(grep -c 'Read-only file system' <<<"$out")" = 3 ]
    umount "$dir/stack/all"; umount "$dir/stack"
    mount -t tmpfs tmpfs "$dir/image/home"
    echo seen >"$dir/image/home/of-the-host"
    out=$(run image="$dir/image" -- /bin/busybox sh -c 'busybox ls /home')
    ok "what the host has mounted in it is not seen" has_not "$out" 'of-the-host'
    umount "$dir/image/home"
    for what in proc dev tmp run home sys etc var/tmp; do
        make_image "$dir/image"; mv "$dir/image/$what" "$dir/image/aside"; ln -s "$dir/files" "$dir/image/$what"
        refused "an image whose $what is a link" 'step=the image has (no|another kind of)' image="$dir/image"
    done
    for what in passwd group hostname hosts resolv.conf machine-id; do
        make_image "$dir/image"; ln -sf /etc/hosts "$dir/image/etc/$what"
        refused "one whose etc/$what is a link" 'step=the image has (no|another kind of)' image="$dir/image"
    done
    make_image "$dir/image"; chown 0:0 "$dir/image"
    refused "one of root's" 'step=the image text=belongs to root' image="$dir/image"
    rm -rf "$dir/image"
fi
ok "no mount is left" [ "$(grep -c "$dir" /proc/self/mountinfo)" = 0 ]
echo "1..$count"
exit $failed
