#!/bin/bash
# What people run: interpreters, virtual machines, compilers at run time, databases, game servers.  Each does inside a server what it does outside, to
# the letter.  A runtime that is not installed is skipped; t/check --all brings them all.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
BUILD=${BUILD:-$HERE/build}
cat >"$SCRATCH/more.ini" <<'EOF'
[server runtimes]
owner = alice
command = /bin/sh ./run
restart = never
memory = 1G
pids = 512
disk = 256M
port = 31077/udp
EOF
W=$SCRATCH/work P=$HERE/t/payload/runtimes
mkdir "$W" "$W/out" && cp "$P"/* "$W/" && : >"$W/w.conf"
MADE=()        # what is run, a name each
missing=()
# A runtime: its name, what it needs, and how it is started in the folder that holds the files.
runtime() {
    local name=$1 needs=$2; shift 2
    command -v "$needs" >/dev/null || { missing+=("$name"); return; }
    MADE+=("$name")
    printf '%s\n' "$*" >"$W/$name.start"
}
build() { nice timeout 300 "$@" >"$SCRATCH/build" 2>&1 || { diag "$*: $(tail -n 5 "$SCRATCH/build")"; return 1; }; }

cp "$BUILD/t/lib/jit" "$W/jit"
runtime emulator "$W/jit" ./jit
runtime python python3 /usr/bin/python3 python.py
runtime sqlite sqlite3 sh sqlite.sh
runtime redis redis-server sh redis.sh
runtime node node "$(readlink -f "$(command -v node || echo node)")" node.js
# Of the compilers only what they make goes in; the virtual machine is the one beside its compiler.
if javac=$(readlink -f "$(command -v javac || echo)") && [ -n "$javac" ] && build "$javac" -d "$W" "$P/Main.java"; then
    runtime java javac "${javac%c}" -Xmx256m -XX:+UseParallelGC -cp . Main
    runtime java-g1 javac "${javac%c}" -Xmx256m -XX:+UseG1GC -cp . Main
else
    missing+=(java)
fi
if command -v mcs >/dev/null && build mcs -out:"$W/main.exe" -r:System.Core.dll "$P/main.cs"; then
    cp -rL /etc/mono "$W/monoconf"
    runtime mono mono MONO_CFG_DIR=./monoconf mono main.exe
else
    missing+=(mono)
fi
if command -v go >/dev/null && build env HOME="$SCRATCH" GOCACHE="$SCRATCH/go" GO111MODULE=off CGO_ENABLED=0 go build -o "$W/main" "$P/main.go"; then
    runtime go go ./main
else
    missing+=(go)
fi
for name in "${missing[@]}"; do skip "$name works inside" "not installed"; done

cat >"$W/run" <<'EOF'
for f in *.start; do
    name=${f%.start}
    timeout -k 5 120 sh "./$f" >"out/$name" 2>"out/$name.err"
    echo "exit $?" >>"out/$name"
done
echo "all have run"
sleep 1000000
EOF
# --- inside, then outside ----------------------------------------------------------------------------------------------------------------------

rig_up --ini "$SCRATCH/more.ini"
find "$W" -maxdepth 1 -type f -perm -100 >"$SCRATCH/programs"
{ echo "cd /runtimes"; (cd "$W" && find . -mindepth 1 -type d -printf 'mkdir %P\n' && find . -type f -printf "put $W/%P %P\n")
  sed "s#^$W/#chmod 755 #" "$SCRATCH/programs"; } | batch alice >"$SCRATCH/put" 2>&1 || bail "upload: $(tail -n 5 "$SCRATCH/put")"
exits 0 "the server starts" hf alice start runtimes --wait --timeout 60
all_ran() { hf alice logs runtimes -n 100 2>/dev/null | grep -q 'all have run'; }
ok "everything runs to its end" wait_until 800 all_ran
mkdir "$SCRATCH/in"
printf 'cd /runtimes/out\nlcd %s\nget *\n' "$SCRATCH/in" | batch alice >/dev/null 2>&1
(cd "$W" && rm -rf out && mkdir out && sed '/^echo "all/,$d' run >"$SCRATCH/outside" && sh "$SCRATCH/outside")
for name in "${MADE[@]}"; do
    if [ "$(tail -n 1 "$W/out/$name")" != "exit 0" ]; then
        skip "$name works inside" "it does not outside: $(tail -n 1 "$W/out/$name.err")"
        continue
    fi
    atleast "$(wc -l <"$W/out/$name")" 4 "$name: outside it works"
    ok "$name: inside it does the same" diff -u "$W/out/$name" "$SCRATCH/in/$name" ||
        diag "$(tail -n 20 "$SCRATCH/in/$name.err")"
    is "$(diff <(sed 's/[0-9]\{2,\}//g' "$W/out/$name.err") <(sed 's/[0-9]\{2,\}//g' "$SCRATCH/in/$name.err") | grep '^>' | head -n 5)" "" \
        "$name: and complains about nothing new"
done
exits 0 "kill" hf alice kill runtimes --wait --timeout 30

# --- game servers -------------------------------------------------------------------------------------------------------------------------------

# What it prints when it is up; ends at TERM or INT as it should.
game() {   # NAME PROGRAM LINE COMMAND...
    local name=$1 program=$2 line=$3; shift 3
    [ -x "$program" ] || { skip "$name runs" "not installed"; return; }
    printf 'exec %s\n' "$*" >"$SCRATCH/game"
    put alice "$SCRATCH/game" /runtimes/run >/dev/null
    exits 0 "$name starts" hf alice start runtimes --wait --timeout 60
    says_line() { hf alice logs runtimes -n 200 2>/dev/null | grep -qE "$line"; }
    ok "$name is up" wait_until 60 says_line || diag "$(hf alice logs runtimes -n 30)"
    ok "$name lives" state_is runtimes running
    udp_bound() { grep -qi ":$(printf %04X 31077) " "/proc/$(pgrep -P "$(field runtimes pid)" | head -n 1)/net/udp" "/proc/$(pgrep -P "$(field runtimes pid)" | head -n 1)/net/udp6"; }
    ok "$name has its port" wait_until 20 udp_bound
    exits 0 "$name stops" hf alice stop runtimes --wait --timeout 60
}
game teeworlds /usr/games/teeworlds-server 'server name is|version ' /usr/games/teeworlds-server '"sv_port 31077; sv_register 0"'
game minetest /usr/games/minetestserver 'listening on' /usr/games/minetestserver --gameid minetest --config w.conf --worldname w --logfile w.log --port 31077
ok "the daemon is up" daemon_up
done_testing
