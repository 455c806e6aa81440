#!/bin/bash
# holdfast-launch against the kernel: what a sandbox is, what a hostile payload can do in it, what a failure leaves.
# Run in a build tree, as root.  INIT= and SHIM= name other programs than the tests' stand-ins.
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
here=$PWD
dir=$(mktemp -d /tmp/holdfast-launch.XXXXXX)
interface=hft$$
octet=$(($$ % 250 + 1))
base=1966080
failed=0
count=0
trap 'rm -rf "$dir"; ip link del $interface 2>/dev/null; rmdir "$cg" 2>/dev/null' EXIT
chmod 755 "$dir"; mkdir "$dir/files"
cp t/lib/hostile "$dir/files/"
chown -R $((base + 1000)):$((base + 1000)) "$dir/files"

run() {
    timeout 60 t/lib/sandbox_run init="${INIT:-$here/t/lib/stand_init}" shim="${SHIM:-$here/t/lib/stand_shim}" dir="$dir/files" \
        interface=$interface host=10.213.$octet.1 inside=10.213.$octet.2 base=$base "$@" 2>&1
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
ok "the shim has its descriptors and no others" has "$out" '^shim: fds 0 1 2 3 4 5 6 7 8 9 10 11$'
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
for kind in cgroup ipc mnt net pid user uts; do
    ok "its own $kind namespace" [ "$(grep "^$kind:" <<<"$out")" != "$(readlink /proc/self/ns/$kind)" -a -n "$(grep "^$kind:" <<<"$out")" ]
done

out=$(run -- /bin/sh -c 'cat /proc/self/mounts; echo ==; ps ax -o pid,args; echo ==; ls -A / /home /etc /var /run; hostname; cat /proc/keys /proc/1/cmdline /proc/cmdline 2>&1')
mounts=$(sed '/^==/,$d' <<<"$out" | grep -vE '^(done|shim:)')
ok "only known mounts" has_not "$(grep -E ' (rw|ro)[, ]' <<<"$mounts" | awk '{print $2}')" '^/(sys|var|root|home|mnt|opt|run/[a-z]+|home/[^s].*)$'
ok "all nosuid" [ -z "$(awk '$4 ~ /^r[ow]/ && $4 !~ /nosuid/' <<<"$mounts")" ]
ok "writable are only home, tmp, shm, run, pts, proc" [ "$(awk '$4 ~ /^rw/ { print $2 }' <<<"$mounts" | sort | tr '\n' ' ')" = "/dev/pts /dev/shm /home/server /proc /run /tmp " ]
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
    ok "a low port is reached from the host" [ "$(timeout 5 bash -c "cat </dev/tcp/10.213.$octet.2/80" 2>&1)" = "from inside" ]
    wait $job
fi
out=$(run net=private -- /bin/sh -c 'cat /proc/net/route /proc/net/if_inet6')
ok "a route to the host" has "$out" '^eth0	'
ok "which is the way out" has "$out" "^eth0	00000000	01$(printf '%02X' $octet)D50A	"
ok "no IPv6 address but loopback's" has_not "$out" 'eth0$'
six=fd6b:52ca:7d1f:$octet
out=$(run net=private host6=$six::1 inside6=$six::2 -- /bin/sh -c 'cat /proc/net/ipv6_route /proc/net/if_inet6; cat /proc/net/arp')
ok "an IPv6 address where it is to have one" has "$out" '^fd6b52ca7d1f[0-9a-f]*0002 [0-9a-f]* 7e 00 [0-9a-f]* +eth0$'
ok "a way out there as well" has "$out" '^0{32} 00 0{32} 00 fd6b52ca7d1f[0-9a-f]*0001 .* eth0$'
ok "no link-local one" has_not "$out" '^fe80.* 20 .*eth0$'
ok "and the other end known for good" has "$out" "^10.213.$octet.1 +0x1 +0x6 +02:68:0a:d5:"
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
refused "shim missing" 'step=open text=/nowhere' shim=/nowhere net=private
refused "files no directory" "the server's files" dir=/etc/passwd
refused "bad name" 'step=plan text=server' server=../x
refused "host's uids" 'step=plan text=uid base' base=0
refused "shim's uid root" 'step=plan text=shim uid' shimuid=0
refused "two networks" 'step=plan text=the two' net=private host=10.0.0.1 inside=10.0.1.1
refused "no cgroup" 'step=open text=cgroup.kill' cgroup=/tmp
base=1966080
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
ok "no mount is left" [ "$(grep -c "$dir" /proc/self/mountinfo)" = 0 ]
echo "1..$count"
exit $failed
