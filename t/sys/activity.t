#!/bin/bash
# Who did what, from where, when: stock clients act, `activity` tells; whoever is killed, what was answered is told.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rclone rsync scp sftp python3
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
allow = bob: activity
E2
rig_up --ini "$SCRATCH/more.ini"
cd "$SCRATCH" || exit 1
printf 'hello\n' >small
mkdir short
cp small short/f
head -c 20000000 /dev/urandom >big

# "ACTION PATH DETAIL" of the last records.
last() { hf alice activity "$1" -n "$2" | awk 'NR > 1 { sub(/^ *[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, ""); gsub(/ +/, " "); print }'; }
count() { hf alice activity "$1" -n 10000 --json | python3 -c '
import json, sys
print(sum(1 for line in sys.stdin if all(str(json.loads(line)[k]) == v for k, v in (a.split("=", 1) for a in sys.argv[1:]))))' "${@:2}"; }

is "$(hf alice activity; echo "exit $?")" "exit 0" "nothing was done: nothing is told"
ok "uploads, changes and removes" batch alice <<'E2'
put small /one/a
put small /one/run-and-run
chmod 640 /one/a
mkdir /one/dir
rename /one/a /one/dir/b
ln -s ../run-and-run /one/dir/l
ln /one/dir/b /one/hard
rm /one/dir/l
mkdir /one/gone
rmdir /one/gone
cp /one/hard /one/copied
E2
is "$(last one 12)" "write a 6 bytes, created
write run-and-run 6 bytes, created
chmod a to 0640
mkdir dir
rename a to dir/b
symlink dir/l to ../run-and-run
link hard to dir/b
remove dir/l
mkdir gone
rmdir gone
write copied 6 bytes, created" "are told in their order"
batch alice >/dev/null 2>&1 <<'E2'
-rm /one/nothing
-mkdir /one/dir
-rmdir /one/dir
-rename /one/nothing /one/x
-chmod 600 /one/nothing
-ln -s x /one/copied
-get /one/copied x
-ls /one
E2
is "$(last one 1)" "write copied 6 bytes, created" "what failed, or only looked, is not told"
ok "an overwrite" batch alice <<<'put small /one/hard'
is "$(last one 1)" "write hard 6 bytes, truncated" "is told as one"
ok "the same file in a row" batch alice <<<$'put small /one/again\nput small /one/again\nput small /one/again'
is "$(last one 1)" "write again 18 bytes, created, truncated, 3 times" "is one record that counts"

python3 - "$HOST" "$PORT" "$KEY" >py.out 2>&1 <<'E2'
import os, sys
import paramiko
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect(sys.argv[1], int(sys.argv[2]), "alice", key_filename=sys.argv[3], allow_agent=False, look_for_keys=False)
s = c.open_sftp()
s.truncate("/one/hard", 3)
with s.open("/one/hard", "r+") as f:
    f.write(b"xyz")
    f.truncate(2)
    f.chmod(0o600)
with s.open(b"/one/\xff\xfe\n\"x", "w") as f:
    f.write(b"bytes")
with s.open("/one/appended", "a") as f:
    f.write(b"12345")
f = s.open("/one/held", "w")
f.write(b"held")
f.flush()
os._exit(0)
E2
is "$?$(cat py.out)" 0 "paramiko truncates, changes in place, names with bytes, and leaves with a file open"
unfinished() { [ "$(last one 1)" = "write held 4 bytes, created, unfinished" ]; }
ok "the open file is told when the connection has died" wait_until 10 unfinished
is "$(last one 7 | head -6)" 'truncate hard to 3 bytes
truncate hard to 2 bytes
chmod hard to 0600
write hard 3 bytes
write \xff\xfe\x0a\x22x 5 bytes, created
write appended 5 bytes, created' "and all before it, bytes escaped"
is "$(hf alice activity one -n 3 --json | python3 -c 'import json, sys; print(ascii(json.loads(sys.stdin.readline())["path"]))')" "'\\ufffd\\ufffd\\n\"x'" \
    "valid JSON whatever the name"
ok "keys" json_ok time account address server action path other number created truncated unfinished read_only times < <(hf alice activity --json)

# --- many ---------------------------------------------------------------------------------------------------------------------------

mkdir tree
for i in $(seq 2000); do echo "$i" >"tree/$i"; done
ok "2000 small files by sftp" batch alice <<<$'mkdir /one/tree\nput -r tree/* /one/tree/'
is "$(count one action=write created=True times=1 number="$(wc -c <tree/7)" path=tree/7)" 1 "one is a record"
is "$(hf alice activity one -n 10000 --json | python3 -c '
import json, sys
print(len({o["path"] for o in map(json.loads, sys.stdin) if o["action"] == "write" and o["path"].startswith("tree/")}))')" 2000 "all are, one each"
printf '[hf]\ntype = sftp\nhost = %s\nport = %s\nuser = alice\nkey_file = %s\nknown_hosts_file = %s\n' "$HOST" "$PORT" "$KEY" "$KNOWN_HOSTS" >rclone.conf
mkdir rc && cp tree/1? rc
ok "rclone copies" rclone --config rclone.conf --stats 0 -q copy rc hf:two/rc
is "$(hf alice activity two --json | grep -c '"action":"write"')" 10 "ten files, ten records"
is "$(count two)" 11 "and one of the folder"

# --- who dies -----------------------------------------------------------------------------------------------------------------------

"${SFTP[@]}" -l 8000 -b - alice >/dev/null 2>&1 <<<"put big /one/cut" &
client=$!
begun() { [ "$(hf alice "test -s one/cut"; echo $?)" = 0 ]; }
ok "an upload is under way" wait_until 20 begun
kill -9 "$(pgrep -P "$client" ssh)" "$client" 2>/dev/null
wait "$client" 2>/dev/null
ok "its client is killed: an unfinished write is told" wait_until 10 eval '[ "$(count one action=write path=cut unfinished=True)" = 1 ]'
atleast "$(hf alice activity one -n 1 --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.read())["number"])')" 1 "with the bytes that came"

mkfifo words
"${SFTP[@]}" -b - alice <words >answers 2>&1 &
client=$!
exec 4>words
for i in 1 2 3; do echo "mkdir /one/last$i" >&4; done
made() { hf alice "test -d one/last3"; }
ok "folders are made" wait_until 10 made
for p in $(role_pids session); do kill -9 "$p"; done
exec 4>&-
wait "$client"
is "$(last one 3)" $'mkdir last1\nmkdir last2\nmkdir last3' "their session is killed: what it had answered is told"
ok "the store is killed" kill -9 "$(store_pid)"
ok "and comes back" wait_until 30 hf alice true
is "$(last one 3)" $'mkdir last1\nmkdir last2\nmkdir last3' "with what it had"

# --- orders, and who may see --------------------------------------------------------------------------------------------------------

put_run two <<'E2'
#!/bin/sh
exec sleep 1000
E2
ok "start" started two
nok "a start that is refused" hf alice start two
ok "watched" bash -c "timeout 3 ssh -F '$SSH_CONFIG' alice console two </dev/null >/dev/null 2>&1; true"
ok "kill" hf alice kill two --wait
id=$(hf alice backup create two daily 2>/dev/null)
ok "a backup is fetched" bash -c "ssh -F '$SSH_CONFIG' alice backup get two '$id' >/dev/null"
is "$(last two 5 | grep -v ' run')" "start -
console -
kill -
backup.create $id
backup.get $id" "orders are told, those that were carried out"
ok "the old scp" scp -F "$SSH_CONFIG" -O -r "$SCRATCH/short" alice:/two/
is "$(last two 2)" "mkdir short
write short/f 6 bytes, created" "is told like any upload"
ok "rsync to" rsync -a -e "ssh -F $SSH_CONFIG" "$SCRATCH/short/" alice:/two/short/
ok "and from" rsync -a -e "ssh -F $SSH_CONFIG" alice:/two/short/ "$SCRATCH/back/"
is "$(last two 2)" $'rsync -\nrsync - read-only' "are told, without files"

# Answered is recorded, whoever is killed next.
again() { eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null | grep SERVER_PID)"; }
killed_after() {
    local who=$1 want=$2
    shift 2
    "$@" >/dev/null 2>&1
    if [ "$who" = store ]; then
        kill -9 "$(store_pid)"
    else
        kill -9 "$SERVER_PID"
        again
    fi
    wait_until 40 hf alice true
    is "$(last two 1)" "$want" "$want: told, the $who being killed right after it"
}
killed_after store "start -" hf alice start two
killed_after daemon "restart -" hf alice restart two --wait
killed_after store "mkdir soon" batch alice <<<'mkdir /two/soon'
killed_after daemon "write soon/f 6 bytes, created" batch alice <<<'put small /two/soon/f'
killed_after daemon "stop -" hf alice stop two --wait
killed_after daemon "backup.get $id" hf alice backup get two "$id"
killed_after daemon "rsync - read-only" rsync -a -e "ssh -F $SSH_CONFIG" alice:/two/short/ "$SCRATCH/back/"
killed_after store "remove soon/f" batch alice <<<'rm /two/soon/f'
is "$(hf bob activity | awk 'NR > 1 { print $4 }' | sort -u)" one "bob sees what he has the right to see"
exits 77 "not alice's other server" hf bob activity two
exits 2 "too many at once" hf alice activity -n 20000
like "$err" "allowed: 1 to 10000" "are refused with what is allowed"
ok "bob's own" batch bob <<<'put small /three/x'
is "$(hf bob activity three | awk 'NR > 1 { print $2, $3, $4, $5, $6 }')" "bob 127.0.0.1 three write x" "with account, address and server"
is "$(hf alice activity --json | grep -c '"server":"three"')" 0 "alice sees nothing of it"
ok "the daemon is well" daemon_up
done_testing
