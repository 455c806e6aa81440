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

# one PLACE PROTO ADDRESS PORT: what came of one knock; WAIT=seconds
probe() { printf '[{"op":"probe","wait":%s,"probes":[{"name":"x","proto":"%s","address":"%s","port":%s,"text":"hello"}]}]' "${WAIT:-4}" "$2" "$3" "$4"; }
said() { python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["x"])'; }
knock() { probe "$@" | jobs "$1" | said; }                 # from a place, or as root beside a server
knock_inside() { probe "$@" | inside "$1" | said; }        # by the server itself
value() { python3 -c 'import json, sys; v = json.load(sys.stdin)[int(sys.argv[1])]
for k in sys.argv[2:]: v = v[k]
print(v)' "$@"; }
for a in 192.168.77.5 10.77.0.5 240.0.77.5 0.77.0.5 169.254.169.254 fd77::5 2002:c0a8:4d05::5 198.51.100.7 2001:db8:2::7 $CLIENT4; do
    like "$(knock host tcp $a 8080)" '^got peer' "the world: the host reaches $a"
done
like "$(knock client udp $PUBLIC4 22)" "^got peer $CLIENT4" "and the client the host"

# --- what a hostile server reaches -----------------------------------------------------------------------------------------------------------

listen_all() { printf '[{"op":"listen","listen":['; local sep= p; for p in "$@"; do
    printf '%s["tcp","0.0.0.0",%s],["udp","0.0.0.0",%s],["tcp","::",%s],["udp","::",%s]' "$sep" "$p" "$p" "$p" "$p"; sep=,; done; printf ']}]'; }
unlike "$(listen_all 31002 8080 | inside two)" E "server two listens, on its port and on another"
unlike "$(listen_all 31001 8080 40001 | inside one)" E "so does one"
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
done_testing
