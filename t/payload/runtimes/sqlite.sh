#!/bin/sh
# The shell's database, with its write-ahead log mapped and locked by two processes.
d=$(mktemp -d) || exit 1
sqlite3 "$d/db" 'pragma journal_mode = wal; create table t (n);'
for i in 1 2; do sqlite3 -cmd '.timeout 20000' "$d/db" 'with recursive c(n) as (values (1) union all select n + 1 from c limit 500) insert into t select n from c;' & done
wait
sqlite3 "$d/db" 'select count(*), sum(n) from t; pragma integrity_check; vacuum;'
rm -rf "$d"
