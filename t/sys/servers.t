#!/bin/bash
# Servers that people host, each its whole life: a start that waits for its own word, a line into its console, a crash, the start after it, its own way
# to stop.  (t/sys/runtimes.t compares what interpreters do inside and outside; t/sys/first-day.t lets a client play.)
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
server() {   # NAME READY STOP PORT
    printf '[server %s]\nowner = alice\ncommand = /bin/sh ./run\nmemory = 1G\npids = 256\ndisk = 128M\nrestart = on-failure\nstop_timeout = 20s\nstart_timeout = 90s\nready = %s\nstop = %s\nport = %s\n' "$@"
}
{
    server teeworlds 'line:server name is' signal:INT 31071/udp
    server minetest 'line:listening on' signal:INT 31072/udp
    server redis tcp:31073 signal:TERM 31073/tcp
} >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
up() { state_is "$1" running && [ "$(field "$1" ready)" = true ]; }
main_of() { local p; p=$(field "$1" pid); [ -n "$p" ] && pgrep -P "$p" | head -n 1; }
life() {   # NAME PROGRAM WORD COMMAND: WORD is in its output when it is up
    local name=$1 program=$2 word=$3 pid old; shift 3
    if ! [ -x "$program" ]; then skip "$name lives a whole life" "not installed"; return; fi
    printf '%s\nexec %s\n' 'mkdir -p data; : >w.conf; export HOME=$PWD' "$*" | put_run_of "$name"
    exits 0 "$name: start --wait comes back when it is up" hf alice start "$name" --wait --timeout 100 || diag "$(hf alice logs "$name" -n 20)"
    ok "$name: it is ready" up "$name"
    [ -z "$word" ] || ok "$name: by its own word" eval "hf alice logs $name -n 400 | grep -q '$word'"
    exits 0 "$name: status" hf alice status "$name"
    like "$out" "$name +running" "$name: status says so"
    exits 0 "$name: a line into its console, which it does not read" hf alice send "$name" status
    ok "$name: disturbs nothing" up "$name"
    old=$(field "$name" pid) pid=$(main_of "$name")
    is "$(basename "$(tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1 | cut -d' ' -f1)")" "$(basename "$program")" "$name: its main process is the program itself"
    [ -n "$pid" ] && kill -SEGV "$pid"
    restarted() { [ "$(field "$name" restarts)" -ge 1 ] && up "$name" && [ "$(field "$name" pid)" != "$old" ]; }
    ok "$name: after a crash it comes back" wait_until 120 restarted
    is "$(field "$name" restarts)" 1 "$name: which is counted"
    like "$(hf alice events "$name" --json)" '"event":"crash"[^}]*"text":"ended by signal 11 \(SIGSEGV\); it is started again in 1 s"' "$name: and told, with the reason"
    exits 0 "$name: it stops its own way" hf alice stop "$name" --wait --timeout 30
    is "$(field "$name" state) $(field "$name" reason)" "offline stopped by alice" "$name: in time, and well"
}
put_run_of() { local f=$SCRATCH/run.$1; cat >"$f"; put alice "$f" "/$1/run" >/dev/null; }
life teeworlds /usr/games/teeworlds-server 'server name is' /usr/games/teeworlds-server '"sv_port 31071; sv_register 0"'
life minetest /usr/games/minetestserver 'listening on' /usr/games/minetestserver --gameid minetest --config w.conf --worldname w --port 31072 --logfile data/log
life redis /usr/bin/redis-server '' /usr/bin/redis-server --port 31073 --bind 0.0.0.0 --protected-mode no --dir data
# What was kept is kept: over its own way of stopping.
if [ -x /usr/bin/redis-cli ] && [ -x /usr/bin/redis-server ]; then
    hf alice start redis --wait --timeout 60 >/dev/null
    ask() { timeout 10 redis-cli -h "$(address redis)" -p 31073 "$@"; }
    is "$(ask set score 42)" OK "redis: a value is taken"
    exits 0 "redis: restart" hf alice restart redis --wait --timeout 60
    is "$(ask get score)" 42 "redis: stopped its own way it has saved"
fi
ok "the daemon is up" daemon_up
done_testing
