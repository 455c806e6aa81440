#!/bin/bash
# Options in front of keys, with stock clients: from where, until when, with what command, for what rights on which servers; the `keys` verbs; and the
# ways around each.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rclone rsync
scratch
for k in deploy backup far soon sftp noterm reader own1 own2; do ssh-keygen -q -t ed25519 -N '' -C "$k@test" -f "$SCRATCH/$k"; done
mkdir "$SCRATCH/keyfiles"
rig_up
A=$CONFIG/accounts.d/rig.ini
cd "$SCRATCH" || exit 1
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
OPTIONS=(-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o BatchMode=yes
    -o LogLevel=ERROR)
by() { local k=$1; shift; timeout 60 ssh "${OPTIONS[@]}" -i "$SCRATCH/$k" -p "$PORT" "alice@$HOST" "$@"; }
by_at() { local a=$1 k=$2; shift 2; timeout 60 ssh "${OPTIONS[@]}" -b "$a" -i "$SCRATCH/$k" -p "$PORT" "alice@$HOST" "$@"; }
sftp_by() { timeout 60 sftp "${OPTIONS[@]}" -i "$SCRATCH/$1" -P "$PORT" -b - "alice@$HOST"; }
# The account's keys file: the rig's key stands in the ini already.
keys_file() { install -m 0600 /dev/stdin "$CONFIG/accounts.d/alice.keys"; }
line() { printf '%s %s\n' "$2" "$(<"$SCRATCH/$1.pub")"; }
at() { date -u -d "@$1" +%Y%m%d%H%M%SZ; }
print() { ssh-keygen -l -f "$SCRATCH/$1.pub" | cut -d' ' -f2; }

sed -i '/^\[account alice\]/a keys_file = alice.keys' "$A"
all() {
    line deploy 'restrict,command="restart one --wait",rights="restart",servers="one"'
    line backup 'rights="files.read files.create",servers="one",restrict'
    line far 'from="192.0.2.0/24,127.0.0.9,!127.0.0.10"'
    line sftp 'command="internal-sftp",rights="files.read"'
    line noterm 'no-pty'
    line reader 'rights="files.read status"'
}
all | keys_file
ok "a configuration with options is taken" reload
refused() {
    { all; printf '%s %s\n' "$1" "$(<own1.pub)"; } | keys_file
    nok "refused: $1" reload
    like "$out$err" "$2" "refused: $1: with words"
}
refused 'port-forwarding' "account alice: key 8: option: 'port-forwarding' is not supported; allowed: command expiry-time from"
refused 'from="mail.example.org"' "'mail.example.org' is no address"
refused 'command="/bin/sh"' "'/bin/sh' is no verb"
refused 'principals="alice"' "certificate authority"
refused 'verify-required' "for the keys of tokens"
refused 'rights="root"' "'root' is no right"
refused 'expiry-time="soon"' "is no time"
all | keys_file
ok "the good ones again" reload

# --- from ---------------------------------------------------------------------------------------------------------------------------------------

exits 0 "from: where it may" by_at 127.0.0.9 far true
exits 255 "from: where it may not" by_at 127.0.0.8 far true
ok "from: is logged as OpenSSH does" logged 'Authentication tried for alice with correct key but not from a permitted host \(host=127.0.0.8, ip=127.0.0.8'
for _ in {1..12}; do by_at 127.0.0.8 far true >/dev/null 2>&1; by_at 127.0.0.10 far true >/dev/null 2>&1; done
exits 0 "from: who tried a dozen times is not shut out with another key" by_at 127.0.0.8 noterm true
nok "from: nor logged as a failure" logged 'Failed publickey for alice'
cat >direct.py <<'PY'
# Signs without asking first, as some clients do.
import sys
import paramiko
host, port, key, source = sys.argv[1:]
import socket
s = socket.create_connection((host, int(port)), source_address=(source, 0))
t = paramiko.Transport(s)
t.start_client()
try:
    t.auth_publickey("alice", paramiko.Ed25519Key.from_private_key_file(key))
    print("in")
except paramiko.AuthenticationException:
    print("refused")
t.close()
PY
is "$(python3 direct.py "$HOST" "$PORT" far 127.0.0.8)" refused "from: paramiko, which does not offer but sign"
is "$(python3 direct.py "$HOST" "$PORT" far 127.0.0.9)" in "from: and from where it may"

# --- command ------------------------------------------------------------------------------------------------------------------------------------

put_run one <<'RUN'
#!/bin/sh
echo begun
exec sleep 1000
RUN
started one >/dev/null 2>&1
pid() { field one pid; }
restarted() {
    local before=$1 what=$2; shift 2
    exits 0 "$what: runs the command of the key" "$@"
    isnt "$(pid)" "$before" "$what: which restarted it"
}
restarted "$(pid)" "another command" by deploy kill one
ok "the line of the client is logged" logged 'event=command.forced text="instead of line=kill one'
restarted "$(pid)" "no command" by deploy
restarted "$(pid)" "a subsystem" by deploy -s sftp
restarted "$(pid)" "words that a shell would take apart" by deploy "true; kill one"
restarted "$(pid)" "an environment" by deploy -o SetEnv="LC_ALL=x SSH_ORIGINAL_COMMAND=kill" true
cat >around.py <<'PY'
# Another channel, another request on it, a subsystem behind a command, rights by SFTP: each runs the one command or is refused.
import sys
import paramiko
host, port, key = sys.argv[1:]
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect(host, int(port), "alice", key_filename=key, look_for_keys=False, allow_agent=False)
t = c.get_transport()


def ok(good, words):
    print("ok" if good else "not ok", words)


def refused(act, words):
    try:
        act()
        ok(False, words)
    except (paramiko.SSHException, EOFError, OSError):
        ok(True, words)


one = t.open_session()
one.settimeout(30)
one.exec_command("whoami")
ok(one.recv(4096) == b"one: running\n" and one.recv_exit_status() == 0, "the command is not whoami")
refused(lambda: one.exec_command("whoami"), "a second command on one channel")
two = t.open_session()
two.settimeout(30)
refused(lambda: two.get_pty(), "a terminal where restrict stands")
three = t.open_session()
three.settimeout(30)
three.invoke_subsystem("sftp")
three.send(b"\0\0\0\5\1\0\0\0\3")
answer = b""
while True:
    piece = three.recv(4096)
    if not piece:
        break
    answer += piece
ok(b"posix-rename" not in answer and three.recv_exit_status() == 0, f"the subsystem is the command ({answer[:60]!r})")
refused(lambda: t.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1)), "forwarding")
c.close()
PY
timeout 90 python3 around.py "$HOST" "$PORT" deploy >results 2>&1
import_results results "paramiko: "
exits 0 "sftp alone: sftp" sftp_by sftp <<<"ls /one"
exits 77 "sftp alone: no command" by sftp status
like "$err" "for SFTP alone" "which is said"
exits 77 "sftp alone: no shell" by sftp
exits 77 "sftp alone: no rsync" by sftp "rsync --server --sender . /one"
exits 0 "no-pty: commands" by noterm true
by noterm -tt status >tty.out 2>/dev/null
unlike "$(<tty.out)" $'\r' "no-pty: and no terminal"
ok "no-pty: is logged" logged 'request=pty why=no-pty'

# --- rights, servers ----------------------------------------------------------------------------------------------------------------------------

by backup whoami >who.out 2>&1
like "$(<who.out)" 'key options rights="files.read files.create",servers="one",restrict' "whoami shows the options"
like "$(<who.out)" 'server one \(yours\): status files.read files.create$' "and what is left of the rights"
unlike "$(<who.out)" 'server two' "on the servers of the key"
ok "in JSON as well" bash -c "$(declare -f by json_ok); $(declare -p OPTIONS); SCRATCH=$SCRATCH PORT=$PORT HOST=$HOST; by backup whoami --json | json_ok key_options command key_limited"
hf alice whoami >who.out 2>&1
unlike "$(<who.out)" "key options" "a key without options says nothing of them"
mkdir -p tree/a/b empty; for f in tree/1 tree/a/2 tree/a/b/3; do head -c 30000 /dev/urandom >"$f"; done
echo old >old; put alice old /one/old >/dev/null
changed_nothing() { is "$(batch alice <<<$'ls -l /one/old' 2>/dev/null | awk '/^-.*old$/ {print $1, $5}')" "-rw-r--r-- 4" "$1: the file is as it was"; }
exits 0 "append-only: a new file" sftp_by backup <<<$'put -p tree/1 /one/new\nmkdir /one/folder\nput tree/1 /one/folder/new'
exits 1 "append-only: not the same again" sftp_by backup <<<"put old /one/new"
like "$err" "Permission denied" "with words"
for what in "put old /one/old" "reput old /one/old" "rm /one/old" "rename /one/old /one/older" "chmod 600 /one/old" "ln /one/old /one/second" \
    "ln -s old /one/second" "rmdir /one/folder" "put tree/1 /two/x" "ls /two" "put own1.pub /.ssh/authorized_keys" "chmod 700 /one/folder"; do
    exits 1 "append-only: refused: $what" sftp_by backup <<<"$what"
done
changed_nothing "append-only"
nok "append-only: and it was not written to by size either" test -e "$PREFIX/state/servers/one/second"
cmp tree/1 <(batch alice <<<"get /one/new got" >/dev/null 2>&1; cat got) && pass "append-only: the first is whole" || fail "append-only: the first is whole"
cat >rclone.conf <<CONF
[r]
type = sftp
host = $HOST
port = $PORT
user = alice
key_file = $SCRATCH/backup
known_hosts_file = $KNOWN_HOSTS
set_modtime = false
disable_hashcheck = true
CONF
RCLONE=(timeout 60 rclone --config rclone.conf --retries 1 --low-level-retries 1)
exits 0 "append-only: rclone copy of a tree" "${RCLONE[@]}" copy tree r:/one/tree
batch alice <<<$'get -r /one/tree back' >/dev/null 2>&1
ok "append-only: which is whole" diff -r tree back
exits 0 "append-only: rclone copy again, of nothing new" "${RCLONE[@]}" copy tree r:/one/tree --size-only
echo more >>tree/1
nok "append-only: rclone copy of a changed file" "${RCLONE[@]}" copy tree r:/one/tree
nok "append-only: rclone purge" "${RCLONE[@]}" purge r:/one/tree
nok "append-only: rclone sync does not remove" "${RCLONE[@]}" sync empty r:/one/tree
batch alice <<<$'get /one/tree/1 again' >/dev/null 2>&1
is "$(stat -c %s again)" 30000 "append-only: nothing changed"
SCP=(timeout 60 scp "${OPTIONS[@]}" -i backup -P "$PORT")
exits 0 "append-only: scp -O of a new file" "${SCP[@]}" -O tree/1 "alice@$HOST:/one/by-scp"
nok "append-only: scp -O of an old one" "${SCP[@]}" -O tree/1 "alice@$HOST:/one/old"
exits 0 "append-only: scp of a new file" "${SCP[@]}" tree/1 "alice@$HOST:/one/by-scp2"
exits 0 "append-only: scp -O -r of a tree" "${SCP[@]}" -O -r tree "alice@$HOST:/one/by-scp3"
changed_nothing "append-only by scp"
RSH="ssh ${OPTIONS[*]} -p $PORT -i"
nok "append-only: no rsync, which renames" timeout 60 rsync -a -e "$RSH $SCRATCH/backup" tree "alice@$HOST:/one/"
nok "a read-only key: rsync does not push" timeout 60 rsync -a -e "$RSH $SCRATCH/reader" tree "alice@$HOST:/one/pushed"
nok "nor say that it reads and write" by reader "rsync --server -logDtpre.iLsfxCIvu . /one/pushed"
nok "a read-only key: sftp put" sftp_by reader <<<"put old /one/x"
exits 77 "a read-only key: no start" by reader start one
exits 77 "a read-only key: no console" by reader console one
started one >/dev/null 2>&1
exits 0 "a read-only key: status" by reader status one
for k in backup reader; do
    exits 77 "a limited key adds none: $k" by "$k" keys add "$(<own1.pub)"
    like "$err" "limited" "which is said: $k"
    exits 77 "nor removes one: $k" by "$k" keys rm 1 --force
    nok "nor writes the file: $k" sftp_by "$k" <<<"put own1.pub /.ssh/authorized_keys"
done
like "$err" "is limited .rights, servers or command." "with words"

# --- expiry -------------------------------------------------------------------------------------------------------------------------------------

head -c 40M /dev/zero >slow
end=$(($(date +%s) + 8))
{ all; line soon "expiry-time=\"$(at $end)\""; } | keys_file
ok "expiry: a key for some seconds" reload
( timeout 60 sftp "${OPTIONS[@]}" -i "$SCRATCH/soon" -P "$PORT" -l 6000 -b <(echo "put slow /one/slow") "alice@$HOST" >soon.out 2>&1
    echo "$? ${EPOCHREALTIME/[.,]/}" >soon.ended ) & client=$!
begun() { [ "$(stat -c %s "$PREFIX/state/servers/one/slow" 2>/dev/null || echo 0)" -gt 100000 ]; }
ok "expiry: a transfer runs" wait_until 6 begun
ok "expiry: until then" by soon true
ok "expiry: it ends" wait_until 15 test -s soon.ended
wait $client
isnt "$(cut -d' ' -f1 soon.ended)" 0 "expiry: as a failure"
late=$((($(cut -d' ' -f2 soon.ended) - end * 1000000) / 1000))
atleast "$late" 0 "expiry: not before its time, ms"
atmost "$late" 1900 "expiry: within a second of it (and what a client needs to end), ms"
like "$(<soon.out)" "expired" "expiry: the client is told"
exits 255 "expiry: it logs in no more" by soon true
ok "expiry: which is logged" logged 'Authentication tried for alice with correct key but after its time'

# --- a change, with a transfer running ----------------------------------------------------------------------------------------------------------

( timeout 60 sftp "${OPTIONS[@]}" -i "$SCRATCH/noterm" -P "$PORT" -l 6000 -b <(echo "put slow /one/slow2") "alice@$HOST" >change.out 2>&1
    echo "$? ${EPOCHREALTIME/[.,]/}" >change.ended ) & client=$!
begun2() { [ "$(stat -c %s "$PREFIX/state/servers/one/slow2" 2>/dev/null || echo 0)" -gt 100000 ]; }
ok "change: a transfer runs" wait_until 10 begun2
all | sed 's/^no-pty/no-pty,rights="files.read"/' | keys_file
from=$(now_us)
ok "change: rights are taken from its key" reload
ok "change: it ends" wait_until 5 test -s change.ended
wait $client
atmost $((($(cut -d' ' -f2 change.ended) - from) / 1000)) 1500 "change: within a second, ms"
nok "change: the key writes no more" sftp_by noterm <<<"put old /one/x"

# --- the verbs ----------------------------------------------------------------------------------------------------------------------------------

hf alice keys list >list 2>&1
like "$(grep -F "1  ssh-ed25519 $(ssh-keygen -l -f "$KEY.pub" | cut -d' ' -f2) " list)" "\(in use\)" "keys list: the one in use"
like "$(<list)" "set by the admin, added 20.*, last used 20.* from 127.0.0.1" "when it was used last"
like "$(<list)" 'command="restart one --wait"' "options"
exits 0 "keys add: the words" hf alice keys add "$(<own1.pub)"
is "$out" "added ssh-ed25519 $(print own1)" "which it names"
exits 0 "keys add: on stdin, with options" hf alice keys add < <(line own2 'from="127.0.0.1"'; )
ok "both log in" by own1 true
ok "both log in: with options" by own2 true
exits 255 "and are held to them" by_at 127.0.0.8 own2 true
batch alice <<<"get /.ssh/authorized_keys shown" >/dev/null 2>&1
ok "authorized_keys shows the options" grep -qxF "from=\"127.0.0.1\" $(<own2.pub)" shown
ok "those of the admin's keys too" grep -q '^# set by the admin: restrict,command="restart one --wait".* ssh-ed25519 SHA256' shown
ok "and takes them back" batch alice <<<"put shown /.ssh/authorized_keys"
exits 0 "keys list --json" hf alice keys list --json
list=$out
ok "is JSON" json_ok number fingerprint type label origin added last_used last_from options in_use <<<"$list"
is "$(python3 -c 'import json,sys
for l in sys.stdin:
    o = json.loads(l)
    if o["origin"] == "own": print(o["label"], o["options"], o["last_from"], o["in_use"])' <<<"$list")" \
    $'own1@test None 127.0.0.1 False\nown2@test from="127.0.0.1" 127.0.0.1 False' "of the own keys"
exits 3 "keys add: one that is there" hf alice keys add "$(<own1.pub)"
exits 2 "keys add: rubbish" hf alice keys add rubbish
exits 2 "keys add: nothing" hf alice keys add </dev/null
exits 77 "keys rm: the admin's" hf alice keys rm 1
exits 77 "keys rm: the admin's, by force" hf alice keys rm "$(print far)" --force
exits 1 "keys rm: none" hf alice keys rm nothing
exits 3 "keys rm: the one in use" by own1 keys rm own1@test
like "$err" "--force removes it all the same" "which is said"
exits 0 "keys rm: by label" by own1 keys rm own2@test
exits 255 "which logs in no more" by own2 true
by own1 keys rm "$(print own1)" --force >forced 2>&1
like "$(<forced)" "removed SHA256" "keys rm: the one in use, by force"
exits 255 "which logs in no more: by force" by own1 true
ok "keys are logged" grep -qF "account=alice key=\"ED25519 $(print own1)\" from=127.0.0.1" <(grep keys.removed "$LOG")

# --- a store that dies --------------------------------------------------------------------------------------------------------------------------

used=$(hf alice keys list --json 2>/dev/null | grep -c '"last_used":"20')
kill -KILL "$(store_pid)"
ok "another store" wait_until 10 hf alice true
atleast "$(hf alice keys list --json 2>/dev/null | grep -c '"last_used":"20')" "$used" "has not forgotten when keys were used"
exits 77 "nor what they carry" by reader start one
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
ok "the daemon is up" daemon_up
done_testing
