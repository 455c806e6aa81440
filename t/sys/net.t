#!/bin/bash
# The private network of servers, with a world around the host that answers on every address: what a hostile server reaches (nothing of the
# host, of its neighbours, of other servers), what an ordinary one does, who reaches it, and that each of these probes can fail.
. "$(dirname "$0")/../lib/world.sh"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need nft ip nsenter
cleanup world_end
scratch
M=$HERE/t/lib/net_matrix.py
PUBLIC4=203.0.113.10 PUBLIC6=2001:db8:1::10 CLIENT4=198.51.100.200 CLIENT6=2001:db8:c::200

server() {   # NAME LINE...: a section of the ini
    printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 16M\nmemory = 128M\npids = 64\nready = line:net is up\nrestart = never\n' "$1"
    printf '%s\n' "${@:2}"
}
{
    printf '[network]\nforward = yes\n'
    printf '[server %s]\nready = line:net is up\nrestart = never\n' one two
    server linked 'link = two' 'port = 31010/tcp'
    server ruled 'egress = deny 198.51.100.0/24:8080' 'egress = deny 192.0.2.7/udp' 'egress = allow 192.168.77.5:8080-8090/tcp' \
        'egress = allow 172.16.77.5' 'egress = allow fd77::5' 'egress = deny 2001:db8:2::/48'
    server slow 'net_up = 256K' 'net_down = 256K' 'port = 31011/tcp'
    server alone 'network = none'
} >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini" --listen $PUBLIC4
use() { put alice "$HERE/t/payload/net" "/$1/run" >/dev/null && batch alice <<<"chmod 755 /$1/run" >/dev/null && started "$1"; }
for s in one two linked ruled slow alone; do exits 0 "start $s" use $s; done

# --- the world itself ---------------------------------------------------------------------------------------------------------------------

# Knocks, each "PROTO ADDRESS PORT", all at once, and what came of each, a line each: "PROTO ADDRESS PORT got ...", or an error, or silence.
probes() {
    local k p a n sep=
    printf '[{"op":"probe","wait":%s,"probes":[' "${WAIT:-3}"
    for k in "$@"; do
        read -r p a n <<<"$k"
        printf '%s{"name":"%s","proto":"%s","address":"%s","port":%s,"text":"hello"}' "$sep" "$k" "$p" "$a" "$n"
        sep=,
    done
    printf ']}]'
}
said() { python3 -c 'import json, sys
for k, v in json.load(sys.stdin)[0].items(): print(k, v)'; }
knock() { local place=$1; shift; probes "$@" | jobs "$place" | said; }              # from a place, or as root beside a server
knock_inside() { local place=$1; shift; probes "$@" | inside "$place" | said; }     # by the server itself
each_protocol() { local w; for w in "$@"; do echo "tcp $w"; echo "udp $w"; done; }
value() { python3 -c 'import json, sys; v = json.load(sys.stdin)[int(sys.argv[1])]
for k in sys.argv[2:]: v = v[k]
print(v)' "$@"; }
got() { grep -c ' got ' <<<"$1"; }
mapfile -t some < <(each_protocol {192.168.77.5,10.77.0.5,240.0.77.5,0.77.0.5,169.254.169.254,fd77::5,2002:c0a8:4d05::5,198.51.100.7,2001:db8:2::7,$CLIENT4}\ 8080)
is "$(got "$(knock host "${some[@]}")")" 20 "the world: the host reaches neighbours, metadata, the internet and a client"
like "$(knock client "udp $PUBLIC4 22")" " got peer $CLIENT4 " "and the client the host"

# --- what a hostile server reaches -----------------------------------------------------------------------------------------------------------

listen_all() { printf '[{"op":"listen","listen":['; local sep= p; for p in "$@"; do
    printf '%s["tcp","0.0.0.0",%s],["udp","0.0.0.0",%s],["tcp","::",%s],["udp","::",%s]' "$sep" "$p" "$p" "$p" "$p"; sep=,; done; printf ']}]'; }
unlike "$(listen_all 31002 8080 | inside two)" E "server two listens, on its port and on another"
unlike "$(listen_all 31001 40001 | inside one)" E "so does one"
python3 "$M" facts one="$(net_path one)" two="$(net_path two)" linked="$(net_path linked)" port="$PORT" >"$SCRATCH/facts"
fact() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]][sys.argv[3]])' "$SCRATCH/facts" "$@"; }
dev=$(fact one dev)
# Addresses of the host that servers could talk to past routes: nothing of ours needs them.
ip -6 addr add fe80::77/64 dev "$dev" nodad
for g in 239.77.0.5 ff0e::77; do
    world "{\"op\":\"listen\",\"place\":\"host\",\"proto\":\"udp\",\"address\":\"$g\",\"port\":8080,\"group\":\"$g\",\"dev\":\"$dev\"}" >/dev/null
done
python3 "$M" inside "$SCRATCH/facts" >"$SCRATCH/inside"
python3 "$M" root "$SCRATCH/facts" >"$SCRATCH/root"
matrix() {   # closed|open
    world '{"op":"sniff","places":["lan","meta","net","client"]}' >/dev/null
    world '{"op":"clear"}' >/dev/null
    inside one <"$SCRATCH/inside" >"$SCRATCH/inside.$1" && jobs one <"$SCRATCH/root" >"$SCRATCH/root.$1" &&
        at one python3 -B "$M" forge "$SCRATCH/facts" && sleep 1 && world_log "$SCRATCH/log.$1" &&
        inside two <<<'[{"op":"heard"}]' >"$SCRATCH/two.$1"
    local code=$?
    world '{"op":"sniff","places":[]}' >/dev/null
    return $code
}
judge() { python3 "$M" judge "$SCRATCH/facts" "$1" "$SCRATCH"/{inside,root,two,log}."$1" >"$SCRATCH/results" 2>&1; is $? 0 "$1: judged to the end"; import_results "$SCRATCH/results" ""; }
exits 0 "the matrix is run" matrix closed
judge closed

# Of the sockets that would let a program write its own packets, it gets none.
inside one <<<'[{"op":"sockets","kinds":{"packet":[17,3,768],"raw icmp":[2,3,1],"raw icmpv6":[10,3,58],"raw udp":[2,3,17],"raw ip":[2,3,255],
    "raw ip6":[10,3,255],"netlink netfilter":[16,3,12],"ping":[2,2,1],"ping6":[10,2,58],"sctp":[2,1,132],"dccp":[2,6,33],"udplite":[2,2,136]}}]' >"$SCRATCH/sockets"
for kind in packet "raw icmp" "raw icmpv6" "raw udp" "raw ip" "raw ip6" "netlink netfilter"; do
    like "$(value 0 "$kind" <"$SCRATCH/sockets")" '^E' "no $kind socket ($(value 0 "$kind" <"$SCRATCH/sockets"))"
done
diag "others: $(cat "$SCRATCH/sockets")"
for kind in ping ping6; do like "$(value 0 $kind <"$SCRATCH/sockets")" '^(ok|EACCES)$' "a $kind socket: by the kernel's ping_group_range"; done

# --- names ---------------------------------------------------------------------------------------------------------------------------------------

resolve() { inside one <<<"[{\"op\":\"resolve\",\"name\":\"$1\"}]" | value 0; }
world '{"op":"clear"}' >/dev/null
is "$(resolve game.example)" "['198.51.100.7', '2001:db8:2::7']" "a name is resolved inside, in both families"
is "$(resolve long.example)" "['198.51.100.7']" "one whose answer is too long for UDP as well"
world_log "$SCRATCH/names"
asked() { python3 -c 'import json, sys; print(*sorted({h[sys.argv[2]] + ("/" + h["proto"] if len(sys.argv) > 3 else "") for h in json.load(open(sys.argv[1]))["heard"] if h["dport"] == 53}))' "$SCRATCH/names" "$@"; }
is "$(asked dst proto)" "1.1.1.1/tcp 1.1.1.1/udp" "by the configured resolvers"
is "$(asked src)" $PUBLIC4 "which saw the host's address"

# --- from outside -----------------------------------------------------------------------------------------------------------------------------------

knock client "tcp $PUBLIC4 31001" "udp $PUBLIC4 31001" "tcp $PUBLIC6 31001" "udp $PUBLIC6 31001" \
    "tcp $PUBLIC4 40001" "udp $PUBLIC4 40001" "tcp $PUBLIC6 40001" "udp $PUBLIC6 40001" >"$SCRATCH/client"
knock lan "tcp 192.168.77.1 31001" "udp 192.168.77.1 31001" >"$SCRATCH/lan"
for p in tcp udp; do
    like "$(grep "^$p $PUBLIC4 31001" "$SCRATCH/client")" " got peer $CLIENT4 " "published $p: the client reaches it, which sees the client's address"
    like "$(grep "^$p $PUBLIC6 31001" "$SCRATCH/client")" " got peer $CLIENT6 " "the same by IPv6"
    like "$(grep "^$p" "$SCRATCH/lan")" " got peer " "published $p: from the LAN, at the host's address there"
    unlike "$(grep "^$p $PUBLIC4 40001" "$SCRATCH/client")" " got " "$p on a port that is not published: not reached"
    unlike "$(grep "^$p $PUBLIC6 40001" "$SCRATCH/client")" " got " "nor by IPv6"
done
# Everybody in this world sends packets for the inside addresses to the host.
direct() {
    local place v4 v6
    v4=$(fact one in4) v6=$(fact one in6)
    for place in lan meta net client; do
        knock $place "tcp $v4 40001" "udp $v4 40001" "icmp $v4 0" "tcp $v6 40001" "udp $v6 40001" "icmp $v6 0" | sed "s/^/$place /"
    done
}
direct >"$SCRATCH/direct.closed"
is "$(grep -c ' got ' "$SCRATCH/direct.closed")" 0 "nobody outside reaches an inside address" || diag "$(cat "$SCRATCH/direct.closed")"
is "$(wc -l <"$SCRATCH/direct.closed")" 24 "in 24 tries"
# Two takes one's port, inside: that is nobody's business but its own.
unlike "$(listen_all 31001 | inside two)" E "two listens on one's port"
is "$(got "$(knock client "tcp $PUBLIC4 31001" "udp $PUBLIC4 31001")")" 2 "the client still reaches"
inside two <<<'[{"op":"heard"}]' >"$SCRATCH/two.heard"
is "$(python3 -c 'import json, sys; print(sum(h["dport"] == 31001 for h in json.load(sys.stdin)[0]))' <"$SCRATCH/two.heard")" 0 "server one, not two"
is "$(got "$(knock host "tcp $(fact one in4) 31001" "udp $(fact one in4) 31001" "tcp $(fact one in6) 31001" "udp $(fact one in6) 31001")")" 4 "the host reaches it inside"

# --- links, rules, rates -----------------------------------------------------------------------------------------------------------------------------

unlike "$(listen_all 31010 8080 | inside linked)" E "server linked listens"
mapfile -t some < <(each_protocol "$(fact two in4) 31002" "$(fact two in6) 31002")
came=$(knock_inside linked "${some[@]}")
is "$(grep -cE " got peer ($(fact linked in4)|$(fact linked in6)) " <<<"$came")" 4 "link = two: it reaches two at its inside addresses" || diag "$came"
mapfile -t back < <(each_protocol "$(fact linked in4) 31010" "$(fact linked in6) 31010")
is "$(got "$(knock_inside two "${back[@]}")")" 0 "two does not reach it"
mapfile -t others < <(each_protocol "$(fact one in4) 31001" "$(fact one in6) 31001")
is "$(got "$(knock_inside linked "${others[@]}")")" 0 "and it does not reach another"
allowed=("tcp 198.51.100.7 443" "tcp 192.0.2.7 8080" "tcp 192.168.77.5 8080" "tcp 172.16.77.5 80" "udp 172.16.77.5 8080" "tcp fd77::5 8080"
    "udp fd77::5 80" "tcp 2a00:77::7 8080")
refused=("tcp 198.51.100.7 8080" "udp 198.51.100.7 8080" "udp 192.0.2.7 8080" "udp 192.168.77.5 8080" "tcp 192.168.77.5 80"
    "tcp 192.168.255.254 8080" "tcp fc77::5 8080" "tcp 2001:db8:2::7 8080" "udp 2001:db8:2::7 8080")
came=$(knock_inside ruled "${allowed[@]}" "${refused[@]}")
for x in "${allowed[@]}"; do like "$(grep "^$x " <<<"$came")" " got " "egress: $x is allowed"; done
for x in "${refused[@]}"; do unlike "$(grep "^$x " <<<"$came")" " got " "egress: $x is refused"; done
for way in give take; do
    inside slow <<<"[{\"op\":\"transfer\",\"way\":\"$way\",\"address\":\"198.51.100.7\",\"port\":8080,\"bytes\":2097152,\"wait\":100}]" >"$SCRATCH/rate"
    diag "$way: $(cat "$SCRATCH/rate")"
    atmost "$(value 0 rate <"$SCRATCH/rate")" $((2 * 262144)) "net_up, net_down: $way is held to the rate (bytes a second)"
    atleast "$(value 0 rate <"$SCRATCH/rate")" $((262144 / 8)) "and comes near it"
    inside one <<<"[{\"op\":\"transfer\",\"way\":\"$way\",\"address\":\"198.51.100.7\",\"port\":8080,\"bytes\":2097152,\"wait\":100}]" >"$SCRATCH/rate"
    atleast "$(value 0 rate <"$SCRATCH/rate")" $((2 * 262144)) "a server without is not"
done

# The kernel has one table of connections for all of the machine.
spray() { inside linked <<<'[{"op":"spray","address":"198.51.100.7","ports":40000}]' | value 0; }
flows() { cat /proc/sys/net/netfilter/nf_conntrack_count; }
before=$(flows)
atleast "$(spray)" 20000 "a server that speaks to 40000 ports at once"
# Each has 16384; of a few that are on their way while the processor is taken away the kernel loses count.
atmost $(($(flows) - before)) 17000 "does not fill the table of connections"
is "$(got "$(knock_inside two "tcp 198.51.100.7 8080" "udp 198.51.100.7 8080")")" 2 "others are not hindered"

# --- rules that are taken away ------------------------------------------------------------------------------------------------------------------------

TABLE=$(nft list tables | awk '$3 ~ /^holdfast/ { print $3 }')
isnt "$TABLE" "" "there is a table of ours: $TABLE"
filter=$(role_pids filter)
complete() { nft list table inet "$TABLE" 2>/dev/null | grep -q "$(fact one in4)"; }
ok "it names server one" complete
# From outside in, from inside out: each says a line ten times a second.
jobs_hold() { printf '[{"op":"hold","name":"%s","address":"%s","port":%s},{"op":"held","name":"%s"}]' "$1" "$2" "$3" "$1"; }
ask_held() { printf '[{"op":"held","name":"%s"}]' "$1"; }
hold() { : >"$SCRATCH/held.$3"; nsenter --net="$(world_path client)" python3 -B "$HERE/t/payload/net" hold "$1" "$2" >>"$SCRATCH/held.$3" 2>&1 & cleanup end_hold $!; }
end_hold() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; true; }
start_talking() {
    ways=(in4.$1 in6.$1 out.$1)
    hold $PUBLIC4 31001 in4.$1
    hold $PUBLIC6 31001 in6.$1
    jobs_hold out.$1 198.51.100.7 443 | inside one >/dev/null
}
start_talking first
lines() { case $1 in out.*) ask_held "$1" | inside one | value 0 lines ;; *) tail -n 1 "$SCRATCH/held.$1" 2>/dev/null || echo 0 ;; esac; }
goes_on() { local w n; for w in "${ways[@]}"; do wait_until 20 more $w 0; n=$(lines $w); wait_until 20 more $w "$n" || { echo "$w stopped at $n"; return 1; }; done; }
more() { tap_number "$(lines "$1")" && [ "$(lines "$1")" -gt "$2" ]; }
ok "three connections talk" goes_on
# What leaves unmasked while there are no rules is not answered: no way leads back in the real world either.  A packet that comes in such a
# moment is still answered by the host, which knows nothing of the connection: a connection may end, and is had anew.
at net ip route del 10.0.0.0/8
at net ip -6 route del fd00::/8
for damage in "flush ruleset" "delete table inet $TABLE" "flush table inet $TABLE"; do
    world '{"op":"clear"}' >/dev/null
    jobs one <<<'[{"op":"pelt","address":"192.168.77.5","port":8080,"seconds":4}]' >"$SCRATCH/pelted" & pelt=$!
    sleep 1.5
    # shellcheck disable=SC2086
    nft $damage || diag "nft $damage failed"
    ok "nft $damage: mended" wait_until 10 complete
    wait $pelt
    world_log "$SCRATCH/pelt"
    got=$(python3 -c 'import json, sys
n = [int(h["text"].split()[1]) for h in json.load(open(sys.argv[1]))["heard"] if h["text"].startswith("pelt ")]
print(max(n) - min(n) + 1 if n else 0)' "$SCRATCH/pelt")
    atmost "$got" 2000 "of one datagram a millisecond to a refused address so many came between the first and the last that got through"
    goes_on >"$SCRATCH/went" || diag "reset by what came in between: $(cat "$SCRATCH/went")"
    is "$(got "$(knock client "tcp $PUBLIC4 31001" "udp $PUBLIC6 31001")")" 2 "the client reaches server one"
    came=$(knock_inside one "tcp 192.168.77.5 8080" "udp 192.168.77.5 8080" "tcp 198.51.100.7 8080")
    is "$(got "$came")" 1 "server one what it may, and no more" || diag "$came"
done
ok "the log says so" logged 'filter.*(mend|restor|again)'

# --- every probe can fail: the filter stands still, its table is gone ------------------------------------------------------------------------------------

kill -STOP $filter
cleanup go_on
go_on() { [ -z "$filter" ] || kill -CONT $filter; }
nft delete table inet "$TABLE"
at net ip route add 10.0.0.0/8 via $PUBLIC4
at net ip -6 route add fd00::/8 via $PUBLIC6
for p in tcp udp; do for a in 0.0.0.0 ::; do
    world "{\"op\":\"listen\",\"place\":\"host\",\"proto\":\"$p\",\"address\":\"$a\",\"port\":31002}" >/dev/null
done; done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
exits 0 "the matrix is run without the filter" matrix open
judge open
direct >"$SCRATCH/direct.open"
is "$(grep -c ' got ' "$SCRATCH/direct.open")" 24 "open: everybody outside reaches the inside addresses" || diag "$(cat "$SCRATCH/direct.open")"
is "$(got "$(knock_inside two "${back[@]}")")" 4 "open: two reaches linked"
is "$(got "$(knock_inside linked "${others[@]}")")" 4 "open: linked reaches one"
is "$(got "$(knock_inside ruled "${refused[@]}")")" ${#refused[@]} "open: what rules refused arrives"
nok "the table stays away while the filter stands still" complete
go_on
ok "it comes back with the filter" wait_until 10 complete
unlike "$(knock_inside one "tcp 192.168.77.5 8080" "udp 192.168.77.5 8080")" " got " "what was refused is again"

# --- the filter and the daemon come and go, servers stay ------------------------------------------------------------------------------------------------

start_talking second
nft add table inet admins
nft add chain inet admins theirs
one_net=$(net_path one)
ok "three connections talk" goes_on
kill -KILL "$(role_pids filter)"
other_filter() { [ -n "$(role_pids filter)" ] && [ "$(role_pids filter)" != "$filter" ] && hf alice true; }
ok "a filter that dies is started again" wait_until 20 other_filter
filter=
ok "its table is there" wait_until 10 complete
ok "connections go on" goes_on
for how in TERM KILL; do
    kill -$how "$SERVER_PID"
    wait_until 20 bash -c "! kill -0 $SERVER_PID 2>/dev/null"
    unlike "$(knock "$one_net" "tcp 192.168.77.5 8080")" " got " "daemon ended by SIG$how: what was refused is"
    eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null | grep SERVER_PID)"
    ok "started again: the rules of servers that run are there" wait_until 10 complete
    ok "their connections go on" goes_on
done
ok "a table of the admin's is still there" nft list chain inet admins theirs

# --- the end of a server, and a new configuration ---------------------------------------------------------------------------------------------------------

ini=$CONFIG/servers.d/rig.ini
sed -i '/^\[server one\]/a egress = deny 198.51.100.7:443' "$ini"
ok "a reload with a rule for server one" "$TOOL" --run "$RUN" reload
over() { [ "$(lines out.second)" = "$(lines out.second)" ]; }
ok "what it no longer allows ends" wait_until 15 over
came=$(knock_inside one "tcp 198.51.100.7 443" "tcp 198.51.100.7 80")
unlike "$(head -n 1 <<<"$came")" " got " "and cannot be had again"
like "$(tail -n 1 <<<"$came")" " got " "but the rest can"
# But for a count of connections, which the kernel forgets with the last of them.
named() { nft list ruleset | grep -v 'ct count over' | grep -cF -e "$(fact one in4)" -e "$(fact one dev)" -e "31001"; }
exits 0 "server one is stopped" stopped one
is "$(named)" 0 "nothing names it"
no_interface() { ! ip link show "$dev"; }
ok "its interface is gone, although connections were left" wait_until 5 no_interface
unlike "$(knock client "tcp $PUBLIC4 31001")" " got " "its port is closed"
ok "the rules of others are there" bash -c "nft list table inet $TABLE | grep -q '$(fact two in4)'"

# --- none ---------------------------------------------------------------------------------------------------------------------------------------------------

is "$(inside alone <<<'[{"op":"interfaces"}]')" '[{"lo": "down"}]' "network = none: loopback alone, and down"
is "$(got "$(knock_inside alone 'tcp 198.51.100.7 80' 'udp 1.1.1.1 53' "tcp $PUBLIC4 22" 'tcp 127.0.0.1 22' 'tcp fd77::5 80')")" 0 "it reaches nothing"
ok "the daemon is up" daemon_up
done_testing
