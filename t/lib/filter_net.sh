# Sourced behind tap.sh: a machine and its neighbours, as network namespaces: $host, where holdfast-filter is tried alone; $one and $two, servers'
# networks as launch makes them; $world, which has addresses of all kinds.
# shellcheck shell=bash disable=SC2034,SC2154
host=hfgh$$ world=hfgw$$ one=hfgo$$ two=hfgt$$
for n in $host $world $one $two; do
    ip netns add $n || bail "no network namespaces"
    cleanup ip netns del $n
    ip -n $n link set lo up
done
within() { nsenter --net=/run/netns/"$1" "${@:2}"; }
mac() { ip -n "$1" -o link show "$2" | grep -o 'link/ether [^ ]*' | cut -d' ' -f2; }
pair() { ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"; ip -n "$1" link set "$2" up; ip -n "$3" link set "$4" up; }

# The host with two servers' networks as launch makes them, and a world that has addresses of all kinds.
pair $host up0 $world up0
ip -n $host addr add 203.0.113.1/24 dev up0; ip -n $host addr add 2001:db8::1/64 dev up0 nodad
ip -n $world addr add 203.0.113.9/24 dev up0; ip -n $world addr add 2001:db8::9/64 dev up0 nodad
for a in 198.51.100.9/32 192.168.7.9/32 2600::9/128 fd77::1/128; do ip -n $world addr add $a dev lo; done
ip -n $host route add default via 203.0.113.9; ip -n $host -6 route add default via 2001:db8::9
ip -n $host addr add 10.213.0.1/32 dev lo; ip -n $host addr add fd00::1/128 dev lo
for at in "$one 2" "$two 6"; do
    read -r n a <<<"$at"
    pair $host hf0ad5000$a "$n" eth0
    ip -n $host route add 10.213.0.$a/32 dev hf0ad5000$a; ip -n $host -6 route add fd00::$a/128 dev hf0ad5000$a
    ip -n "$n" addr add 10.213.0.$a/32 dev eth0; ip -n "$n" addr add fd00::$a/128 dev eth0 nodad
    ip -n "$n" route add 10.213.0.1/32 dev eth0; ip -n "$n" route add default via 10.213.0.1
    ip -n "$n" -6 route add fd00::1/128 dev eth0; ip -n "$n" -6 route add default via fd00::1
    # Nobody asks for neighbours through the filter.
    ip -n "$n" neigh add fd00::1 lladdr "$(mac $host hf0ad5000$a)" dev eth0; ip -n $host neigh add fd00::$a lladdr "$(mac "$n" eth0)" dev hf0ad5000$a
done
ip -n $one addr add 10.213.0.77/32 dev lo
within $host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0
# Back to the forged one, so that only the filter keeps it from being heard.
ip -n $world route add 10.213.0.0/24 via 203.0.113.1
