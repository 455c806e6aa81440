#!/bin/sh
# A database that forks to save; asked over TCP and a local socket.
d=$(mktemp -d) || exit 1
redis-server --port 6399 --bind 127.0.0.1 --unixsocket "$d/s" --dir "$d" --appendonly yes --daemonize no --logfile "$d/log" &
n=0
until redis-cli -s "$d/s" ping >/dev/null 2>&1 || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
redis-cli -p 6399 set key value
redis-cli -s "$d/s" get key
redis-cli -p 6399 eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
redis-cli -p 6399 save
redis-cli -p 6399 bgrewriteaof >/dev/null
n=0
until redis-cli -p 6399 info persistence | grep -q 'aof_rewrite_in_progress:0' || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
redis-cli -p 6399 info persistence | tr -d '\r' | grep -E '^(aof_last_bgrewrite_status|rdb_last_bgsave_status)'
redis-cli -p 6399 shutdown nosave
wait
rm -rf "$d"
