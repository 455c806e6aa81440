#!/bin/bash
# The packet filter's life, in a machine of its own: a network namespace with the daemon, one with the world outside.
. "$(dirname "$0")/../lib/tap.sh"
HERE=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${FILTER_TEST:-}" ]; then
    need_root
    need ip nft nsenter python3 strace pgrep
    host=hfh$$ out=hfo$$ lan=hfl$$
    for n in $host $out $lan; do
        ip netns add $n || bail "no network namespaces"
        cleanup ip netns del $n
    done
    ip link add lan0 netns $host type veth peer name lan0 netns $lan
    ip -n $host addr add 172.20.0.1/24 dev lan0; ip -n $lan addr add 172.20.0.2/24 dev lan0
    ip -n $host link set lan0 up; ip -n $lan link set lan0 up; ip -n $lan route add default via 172.20.0.1
    ip link add up0 netns $host type veth peer name up0 netns $out
    for n in $host $out; do ip -n $n link set lo up; done
    ip -n $host addr add 203.0.113.1/24 dev up0; ip -n $host addr add 2001:db8::1/64 dev up0 nodad
    ip -n $out addr add 203.0.113.9/24 dev up0; ip -n $out addr add 2001:db8::9/64 dev up0 nodad
    for a in 198.51.100.9/32 192.168.7.9/32 1.1.1.1/32 9.9.9.9/32 2600::9/128; do ip -n $out addr add $a dev lo; done
    for n in $host $out; do ip -n $n link set up0 up; done
    ip -n $host route add default via 203.0.113.9; ip -n $host -6 route add default via 2001:db8::9
    ip -n $out route add 172.20.0.0/24 via 203.0.113.1
    # Not by ip netns exec, which has a /sys of its own without cgroups.
    nsenter --net=/run/netns/$host env FILTER_TEST="$host $out $lan" bash "$0"
    tap_ended=bailed tap_failed=$?        # its lines are the test's
    exit $tap_failed
fi
. "$HERE/t/lib/rig.sh"
read -r _ world lan <<<"$FILTER_TEST"
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[network]
forward = yes
[server one]
command = /usr/bin/python3 -u serve.py 31001 4444
link = three
[server two]
command = /usr/bin/python3 -u serve.py 31002 4444
[server three]
command = /usr/bin/python3 -u serve.py 31003 4444
restart = never
EOF
for s in one two three; do printf '[server %s]\nready = line:ready\n' $s; done >"$SCRATCH/ready.ini"
outside() { nsenter --net=/run/netns/"$world" "$@"; }
try() { "$HERE/t/lib/net_try.py" "$@"; }
from() { nsenter -t "$(field "$1" pid)" -n "$HERE/t/lib/net_try.py" "${@:2}"; }
words() { awk '{ print $2 }' | xargs; }
try_outside() { outside "$HERE/t/lib/net_try.py" "$@"; }
# Without what packets put there and the mark of connections that passed, which comes and goes, and in no order.
rules() { nft -s list table inet "$CGROUP" 2>/dev/null | awk '/ct mark/ { next } $2 == "flows" { skip = 1 } !skip { print } /^\t\}/ { skip = 0 }' | tr -s ', \t' '\n' | sort; }
row() { nft -s list table inet "$CGROUP" | awk -v set="$1" '$2 == set && /\{/ { on = 1 } on { print } on && /^\t\}/ { exit }'; }
filter_pid() { pgrep -P "$SERVER_PID" -x holdfast-filter; }
has_filter() { [ -n "$(filter_pid)" ]; }
background() { "$@" >"$SCRATCH/out.$RANDOM" 2>&1 & bg=$!; cleanup kill_one $bg; }
interface() { local IFS=.; printf 'hf%02x%02x%02x%02x' $1; }     # of who has the address
kill_one() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; true; }

background nsenter --net=/run/netns/"$world" "$HERE/t/lib/net_serve.py" 53 80 443 853
background "$HERE/t/lib/net_serve.py" 23 5432
nft "add table inet other; add chain inet other c { type filter hook forward priority 10; }"
before_forward="$(sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.up0.accept_ra | xargs)"
is "$before_forward" "0 0 1" "the machine is no router"
rig_up --ini "$SCRATCH/more.ini" --ini "$SCRATCH/ready.ini"
for s in one two; do put alice "$HERE/t/lib/net_serve.py" /$s/serve.py >/dev/null; done
put bob "$HERE/t/lib/net_serve.py" /three/serve.py >/dev/null

# --- its right, and its place before the interface ------------------------------------------------------------------------------------------

ok "the filter runs" wait_until 10 has_filter
nsenter --net=/run/netns/"$lan" python3 -B "$HERE/t/lib/filter_rig.py" "$(readlink "/proc/$(filter_pid)/exe")" >"$SCRATCH/alone" 2>&1
is $? 0 "the program alone was tried to the end"
import_results "$SCRATCH/alone" "alone: "
pid=$(filter_pid)
is "$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/ { print $2 }' "/proc/$pid/status" | sort -u | xargs)" "0000000000000000 0000000000001000" "with CAP_NET_ADMIN alone"
kill -STOP "$pid"
hf alice start one >/dev/null 2>&1 & starter=$!
waits() { state_is one starting; }
ok "a server waits for its rules" wait_until 20 waits
sleep 0.5
is "$(ip -o link | grep -c ': hf0ad5')" 0 "and has no interface meanwhile"
kill -CONT "$pid"; wait $starter
ok "then it starts" wait_until 20 state_is one running
for s in two three; do started $s >/dev/null 2>&1; done
one=$(address one) two=$(address two) three=$(address three) if_one=$(interface "$(address one)") if_three=$(interface "$(address three)") three6=$(field three address6) two6=$(field two address6)
base=10.213.$SLICE
like "$three6" "^fd6b:52ca:7d1f:" "each has an IPv6 address"
is "$(nsenter -t "$(field one pid)" -n cat /proc/net/if_inet6 | grep -c ' 20 .*eth0')" 0 "and no link-local one"

# --- what it lets through ------------------------------------------------------------------------------------------------------------------

is "$(try_outside tcp,203.0.113.1,31001 udp,203.0.113.1,31001 tcp,2001:db8::1,31002 udp,2001:db8::1,31002 | awk '{ print $2, $3, $4 }' | xargs)" \
    "reached tcp 203.0.113.9 reached udp 203.0.113.9 reached tcp 2001:db8::9 reached udp 2001:db8::9" "published ports, with the client's true address"
is "$(try tcp,203.0.113.1,31001 udp,203.0.113.1,31001 tcp,2001:db8::1,31002 | words)" "reached reached reached" "also from the host itself"
stopped two >/dev/null 2>&1
cat >"$SCRATCH/ask.py" <<'EOF'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("203.0.113.9", 40001)); s.settimeout(0.3)
end = time.monotonic() + 40
while time.monotonic() < end:
    try:
        s.sendto(b"anybody?", ("203.0.113.1", 31002)); print("asked", flush=True); print(s.recv(100).decode(), flush=True); break
    except OSError:
        time.sleep(0.2)
EOF
nsenter --net=/run/netns/"$world" python3 "$SCRATCH/ask.py" >"$SCRATCH/asked" & cleanup kill_one $!
ok "a client asks a server that is not there" wait_until 20 grep -q asked "$SCRATCH/asked"
sleep 0.5
started two >/dev/null 2>&1
ok "once it is, the same client is answered" wait_until 20 grep -q 'udp 203.0.113.9' "$SCRATCH/asked"
outside ip route add "$base.0/24" via 203.0.113.1
is "$(try_outside tcp,203.0.113.1,4444 tcp,"$one",31001 tcp,"$one",4444 | words)" "refused silent silent" \
    "what is not published is not reached, nor a server's own address"
is "$(from one tcp,198.51.100.9,80 udp,198.51.100.9,80 ping,198.51.100.9 tcp,2600::9,80 udp,2600::9,80 ping,2600::9 | words)" \
    "reached reached reached reached reached reached" "a server reaches the world"
is "$(from one tcp,192.168.7.9,80 udp,192.168.7.9,80 ping,192.168.7.9 tcp,64:ff9b::c0a8:709,80 tcp,169.254.169.254,80 tcp,fd77::1,80 | words)" \
    "refused refused refused refused refused refused" "not what is private, and is told at once"
is "$(from one tcp,203.0.113.1,23 udp,203.0.113.1,23 ping,203.0.113.1 tcp,"$base.1",23 tcp,2001:db8::1,23 tcp,203.0.113.1,"$PORT" ping,"$base.1" | words)" \
    "refused refused refused refused refused refused refused" "not the host, by none of its addresses"
is "$(from one tcp,1.1.1.1,53 udp,1.1.1.1,53 tcp,9.9.9.9,53 udp,9.9.9.9,53 tcp,9.9.9.9,853 | words)" "reached reached refused refused refused" "DNS of its resolvers only"
is "$(from one tcp,"$three",4444 udp,"$three",4444 tcp,"$three6",4444 ping,"$three" tcp,"$two",31002 tcp,"$two",4444 tcp,"$two6",31002 ping,"$two" | words)" \
    "reached reached reached reached refused refused refused refused" "another server only if it is linked"
is "$(from three tcp,"$one",31001 tcp,"$one",4444 | words)" "refused refused" "which is one way"
is "$(from two tcp,203.0.113.1,31001 udp,203.0.113.1,31001 tcp,203.0.113.1,4444 tcp,203.0.113.1,31002 tcp,"$base.1",31001 | words)" \
    "reached reached refused reached refused" "what is published is so for servers as well, by the host's address"
nsenter -t "$(field one pid)" -n ip addr add "$base.77/32" dev lo
nsenter -t "$(field one pid)" -n ip addr add 2600::77/128 dev lo
nsenter --net=/run/netns/"$world" python3 -uc '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(("::", 7778))
while True: print(s.recv(100).decode(), flush=True)' >"$SCRATCH/came" & cleanup kill_one $!
wait_until 20 outside bash -c "ss -Hlun 'sport = :7778' | grep -q ."
nsenter -t "$(field one pid)" -n python3 -c '
import socket, sys
for text, family, source, to in (("forged4", socket.AF_INET, sys.argv[1], "198.51.100.9"), ("forged6", socket.AF_INET6, "2600::77", "2600::9"),
                                 ("own4", socket.AF_INET, "", "198.51.100.9"), ("own6", socket.AF_INET6, "", "2600::9")):
    s = socket.socket(family, socket.SOCK_DGRAM); s.bind((source, 0)); s.sendto(text.encode(), (to, 7778))' "$base.77"
came() { grep -q own4 "$SCRATCH/came" && grep -q own6 "$SCRATCH/came"; }
ok "what it sends arrives" wait_until 20 came
is "$(sort "$SCRATCH/came" | xargs)" "own4 own6" "but nothing under a forged source"
is "$(from one -s "$base.77" tcp,198.51.100.9,80 udp,198.51.100.9,80 ping,198.51.100.9 tcp,"$three",4444; from one -s 2600::77 udp,2600::9,80)" \
    "$(printf '%s silent\n' tcp,198.51.100.9,80 udp,198.51.100.9,80 ping,198.51.100.9 "tcp,$three,4444" udp,2600::9,80)" "and that is not told to who tries"
is "$(sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.up0.accept_ra | xargs)" "1 1 2" "it forwards now, and still hears router advertisements"
is "$(nsenter --net=/run/netns/"$lan" "$HERE/t/lib/net_try.py" tcp,203.0.113.9,80 udp,203.0.113.9,80 ping,203.0.113.9 | words)" "silent silent silent" "for nobody else"

# --- flushed, edited, deleted --------------------------------------------------------------------------------------------------------------------

whole=$(rules)
mended() { [ "$(grep -c 'filter.mended' "$LOG")" -ge "$1" ] && [ "$(rules)" = "$whole" ]; }
n=0
for what in "flush ruleset" "delete table inet $CGROUP" "flush chain inet $CGROUP from_server" "delete element inet $CGROUP from4 { \"$if_one\" . $one }" \
    "insert rule inet $CGROUP to_host accept" "add element inet $CGROUP links { \"x\" . \"y\" }"; do
    n=$((n + 1))
    nft "$what"
    ok "mended: $what" wait_until 20 mended $n
    sleep 1
done
logged 'filter.mended table=.* changed_by="nft, pid [0-9]+"'; is $? 0 "and said who"
nft "add table inet other; add chain inet other c { type filter hook forward priority 10; }; add rule inet other c counter"
sleep 0.3
is "$(grep -c filter.mended "$LOG")" $n "another's table is another's"
is "$(from one tcp,198.51.100.9,80 tcp,192.168.7.9,80 tcp,"$two",31002 | words)" "reached refused refused" "and all is as before"

# --- the filter dies --------------------------------------------------------------------------------------------------------------------------------

pid=$(filter_pid)
kill -9 "$pid"
is "$(rules)" "$whole" "it is killed: the rules stay"
another() { local p; p=$(filter_pid); [ -n "$p" ] && [ "$p" != "$pid" ] && logged 'filter.rebuilt'; }
ok "there is another" wait_until 30 another
is "$(rules)" "$whole" "with the same rules"
nft flush chain inet "$CGROUP" between
ok "which mends as well" wait_until 20 mended $((n + 1))
kill -9 "$(filter_pid)"
exits 0 "a start while there is none waits for the next" hf alice restart two --wait --timeout 30
is "$(try_outside tcp,203.0.113.1,31002 | words)" reached "and is published"

# --- a reload -----------------------------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/hold.py" <<'EOF'
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); s.settimeout(2)
s.recv(100); print("open", flush=True)
while True:
    try:
        s.sendall(b"x"); s.recv(10)
    except OSError as e:
        print("ended", flush=True); break
    time.sleep(0.05)
EOF
nsenter -t "$(field one pid)" -n python3 "$SCRATCH/hold.py" 198.51.100.9 443 >"$SCRATCH/hold1" & cleanup kill_one $!
nsenter --net=/run/netns/"$world" python3 "$SCRATCH/hold.py" 203.0.113.1 31002 >"$SCRATCH/hold2" & cleanup kill_one $!
both() { grep -q open "$SCRATCH/hold1" && grep -q open "$SCRATCH/hold2"; }
ok "two connections stand" wait_until 20 both
ini=$CONFIG/servers.d/rig.ini
reloaded() { "$TOOL" --run "$RUN" reload; }
sed -i '/^\[server one\]/a egress = deny 198.51.100.0/24:443\negress = allow 192.168.7.9:80\negress = allow 203.0.113.1:5432/tcp\negress = deny ::/0\nnet_up = 64K' "$ini"
sed -i '/^link = three/d; s,^port = 31002/tcp,port = 31012/tcp,' "$ini"
nok "and go on" grep -q ended "$SCRATCH/hold1" "$SCRATCH/hold2"
ok "reload" reloaded
closed() { grep -q ended "$SCRATCH/hold1" && grep -q ended "$SCRATCH/hold2"; }
ok "both end: what they came by is no longer allowed" wait_until 20 closed
is "$(from one tcp,198.51.100.9,443 tcp,198.51.100.9,80 tcp,192.168.7.9,80 tcp,192.168.7.9,443 tcp,2600::9,80 tcp,"$three",4444 | words)" \
    "refused reached reached refused refused refused" "egress, the first that fits, and the link is gone"
is "$(from one tcp,203.0.113.1,5432 tcp,203.0.113.1,23 tcp,203.0.113.1,"$PORT" | words)" "reached refused refused" "the host where a rule names its address and port"
is "$(try_outside tcp,203.0.113.1,31002 tcp,203.0.113.1,31012 | words)" "refused refused" "ports as they are now, and two has no one listening there"
nsenter --net=/run/netns/"$world" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("198.51.100.9", 7777)); s.settimeout(40)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)    # SO_RCVBUFFORCE: all of them wait for a receiver that has no turn
print("ready", flush=True); n = 0
try:
    while True: n += len(s.recv(2000)) + 28; s.settimeout(3)
except OSError: print(n)' >"$SCRATCH/rate" & receiver=$!
wait_until 20 grep -q ready "$SCRATCH/rate"
nsenter -t "$(field one pid)" -n python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
began = time.monotonic()
for _ in range(3000): s.sendto(b"x" * 972, ("198.51.100.9", 7777))
print(int((time.monotonic() - began) * 1000))' >"$SCRATCH/took"
wait $receiver
got=$(tail -n 1 "$SCRATCH/rate")
# The kernel's burst is what the rule says and a second of its rate.
once=$((262144 + 65536))
atmost "$got" $((once + 65536 * $(cat "$SCRATCH/took") / 1000 + 2000)) "of 3000000 bytes sent at once no more than burst and rate get through"
atleast "$got" $((once - 2000)) "but these do"
for bad in 'egress = permit 1.2.3.4' 'egress = allow 10.0.0.1/8' 'egress = deny 1.2.3.4:0' 'egress = allow 1.2.3.4; flush ruleset' 'link = one' 'link = nobody' \
    'net_up = 1' "port = $PORT/tcp" 'port = 31003/udp'; do
    cp "$ini" "$SCRATCH/ini"
    sed -i "/^\[server one\]/a $bad" "$ini"
    nok "refused: $bad" reloaded
    cp "$SCRATCH/ini" "$ini"
done

# --- the daemon dies, and servers live on ----------------------------------------------------------------------------------------------------------

whole=$(rules)
stale=$(field three pid) prober=$(field two pid)
# As fast as it can, until it is all over: does anything ever answer that must not?
mkfifo "$SCRATCH/go"
nsenter -t "$prober" -n "$HERE/t/lib/gap.py" connect 198.51.100.9,80 203.0.113.1,23 192.168.7.9,443 <"$SCRATCH/go" >"$SCRATCH/gap" & gap=$!; cleanup kill_one $gap
exec 7>"$SCRATCH/go"
kill -9 "$SERVER_PID"; wait "$SERVER_PID" 2>/dev/null
gone() { [ -z "$(filter_pid)" ]; }
ok "the daemon is killed, and its filter goes with it" wait_until 20 gone
is "$(rules)" "$whole" "the rules stay"
is "$(try_outside tcp,203.0.113.1,31001 | words)" reached "a server is reached"
kill -9 "$stale"
dead() { ! alive "$stale"; }
wait_until 20 dead
eval "$("$HERE/t/rig" start "$PREFIX")"
ok "started again" wait_until 60 state_is one running
fresh() { ! rules | grep -q "$if_three" && rules | grep -q "$if_one"; }
ok "the server that ended meanwhile has no rules" wait_until 20 fresh
for i in 1 2 3 4 5; do reloaded >/dev/null; sleep 0.2; done
echo >&7
exec 7>&-
wait $gap
read -r _ _ _ lost _ tries _ bad <"$SCRATCH/gap"
atleast "$tries" 100 "tries all the while"
is "$bad" 0 "none got where it must not, through restart and reloads"
is "$lost" 0 "none was lost that may"
exits 0 "and starts anew" hf bob start three --wait --timeout 30
is "$(try_outside tcp,203.0.113.1,31001 tcp,203.0.113.1,31003 | words)" "reached reached" "all are reached"

# --- it cannot be had --------------------------------------------------------------------------------------------------------------------------------

# One of its connections waits for somebody who is silent.
nsenter --net=/run/netns/"$world" python3 -c '
import os, socket, sys, time
s = socket.create_connection(("203.0.113.1", 31003), 5); s.recv(100)
print("open", flush=True); time.sleep(600)' >"$SCRATCH/silent" & cleanup kill_one $!
ok "a client stays" wait_until 20 grep -q open "$SCRATCH/silent"
outside nft 'add table ip silent; add chain ip silent c { type filter hook prerouting priority raw; }; add rule ip silent c tcp sport 31003 drop'
stopped three >/dev/null 2>&1
no_rules() { ! rules | grep -q "$if_three"; }
ok "a stopped server has no rules" wait_until 10 no_rules
no_device() { ! ip -o link show "$if_three"; }
ok "and no interface" wait_until 20 no_device
outside nft delete table ip silent
pid=$(filter_pid)
program=$(readlink "/proc/$pid/exe")
mv "$program" "$program.away"
kill -9 "$pid"
refuses() { ! hf bob start three --wait --timeout 20 >/dev/null 2>"$SCRATCH/why" && grep -q 'packet filter' "$SCRATCH/why"; }
ok "no filter: no start" wait_until 60 refuses
like "$(field three reason)$(cat "$SCRATCH/why")" 'packet filter: holdfast-filter' "and the reason"
like "$("$TOOL" --run "$RUN" status)" 'network: servers are not started: ' "status says so"
is "$(try_outside tcp,203.0.113.1,31001 | words)" reached "those that run, run"
mv "$program.away" "$program"
starts() { hf bob start three --wait --timeout 20; }
ok "it is back: so are starts" wait_until 60 starts
stopped three >/dev/null 2>&1
# One call of the kernel's failing: either it is done all the same, or it is not and that is said; never half.
for what in 'sendto EPERM' 'setsockopt EPERM' 'getsockname EBADF' 'pselect6,select EINTR'; do
    read -r call error <<<"$what"
    wait_until 30 has_filter
    strace -qq -o "$SCRATCH/trace" -e trace="$call" -e inject="$call:error=$error:when=1" -p "$(filter_pid)" 2>"$SCRATCH/strace" & tracer=$!
    ok "$call is to fail" wait_until 20 grep -qsE "^TracerPid:[[:space:]]+$tracer$" "/proc/$(filter_pid)/status"
    hf bob start three --wait --timeout 20 >/dev/null 2>&1; code=$?
    kill $tracer 2>/dev/null; wait $tracer 2>/dev/null
    if [ $code = 0 ]; then
        is "$(row ifs | grep -c "$if_three")" 1 "$call fails once: it runs and has its rules"
    else
        ok "$call fails once: it does not run" wait_until 10 no_device
    fi
    wait_until 30 has_filter; hf bob kill three --wait --timeout 10 >/dev/null 2>&1
done
ok "a start works again" wait_until 60 starts

# --- the end -----------------------------------------------------------------------------------------------------------------------------------------------

exits 0 "shutdown" "$TOOL" --run "$RUN" shutdown
dead_daemon() { ! alive "$SERVER_PID"; }
wait_until 30 dead_daemon
is "$(rules)" "" "the table is gone"
is "$(nft list tables | xargs)" "table inet other" "and only ours"
is "$(sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.up0.accept_ra | xargs)" "$before_forward" "the machine is no router again"

sed -i 's/^forward = yes/forward = no/' "$CONFIG/holdfast.ini"
eval "$("$HERE/t/rig" start "$PREFIX")"
# It ran when the daemon was shut down, and so it does again.
ok "without forwarding a server starts" wait_until 60 state_is one running
is "$(from one tcp,198.51.100.9,80 udp,198.51.100.9,80 tcp,2600::9,80 tcp,203.0.113.1,23 | words)" "refused refused refused refused" "reaches nothing, and is told at once"
is "$(try tcp,"$one",31001 tcp,203.0.113.1,31001 | words)" "reached reached" "is reached from the host"
is "$(sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding | xargs)" "0 0" "and the machine is as it was"
like "$("$TOOL" --run "$RUN" status)" 'forwarding: IPv4 off: servers reach nothing outside' "status says so"
like "$("$TOOL" --run "$RUN" doctor)" 'warn forwarding: net.ipv4.ip_forward is 0' "doctor too"
nft 'add table ip strict; add chain ip strict FORWARD { type filter hook forward priority 0; policy drop; }'
like "$("$DAEMON" -t -c "$CONFIG")" 'warn nftables: chain FORWARD of table strict drops' "and what another table drops"
nft delete table ip strict
stopped one >/dev/null 2>&1
kill -9 "$(filter_pid)"
exits 0 "shutdown just when the filter has died" "$TOOL" --run "$RUN" shutdown
is "$(rules)" "" "takes the table along all the same"
wait_until 30 dead_daemon
eval "$("$HERE/t/rig" start "$PREFIX")"
like "$("$TOOL" --run "$RUN" doctor)" 'ok +nftables: ' "which passes"
done_testing
