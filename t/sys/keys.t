#!/bin/bash
# Own keys by /.ssh/authorized_keys, with stock clients: taken as a whole or refused with the line, at once for live sessions, sealed in the database.
# Backups by /backups.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need ssh-copy-id rclone sshfs fusermount3
scratch
for k in one two three old; do ssh-keygen -q -t ed25519 -N '' -C "label-of-$k" -f "$SCRATCH/$k"; done
ssh-keygen -q -t rsa -b 2048 -N '' -C short -f "$SCRATCH/short"
cat >"$SCRATCH/more.ini" <<EOF
[server one]
allow = bob: files backup.read
EOF
rig_up --ini "$SCRATCH/more.ini"
A=$CONFIG/accounts.d/rig.ini S=$CONFIG/servers.d/rig.ini
cd "$SCRATCH" || exit 1
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
OPTIONS=(-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o BatchMode=yes
    -o LogLevel=ERROR)
by() { local k=$1; shift; timeout 60 ssh "${OPTIONS[@]}" -i "$SCRATCH/$k" -p "$PORT" "alice@$HOST" "$@"; }
sftp_by() { timeout 60 sftp "${OPTIONS[@]}" -i "$SCRATCH/$1" -P "$PORT" -b - "alice@$HOST"; }
file() { rm -f shown; batch alice <<<"get /.ssh/authorized_keys shown" >/dev/null 2>&1; cat shown; }
write() { cat "$@" >new; batch alice <<<"put new /.ssh/authorized_keys"; }
ini="# set by the admin: ssh-ed25519 $(ssh-keygen -l -f "$KEY.pub" | cut -d' ' -f2) alice@rig"

# --- the file -----------------------------------------------------------------------------------------------------------------------------------

is "$(stat -c '%U %a %s' "$CONFIG/secret.key")" "root 600 32" "the secret key was made, root's, 0600"
is "$(file)" "$ini" "at first the admin's key is shown, as a comment"
ok "/ lists .ssh, which lists the file" batch alice <<<$'ls -la /\nls -la /.ssh'
like "$out" "drwx------ .*/\.ssh" "as a folder"
like "$out" "-rw------- .* ${#ini} .*|authorized_keys" "the file with its size"

# As a person has it: the key that works is in the agent, the new one in a file.
mkdir -m 0700 home home/.ssh
eval "$(ssh-agent -s -a "$SCRATCH/agent")" >/dev/null
cleanup kill "$SSH_AGENT_PID"
ssh-add -q "$KEY"
sed "s|IdentityFile .*|IdentityAgent $SCRATCH/agent|; /IdentitiesOnly/d; /IdentityAgent none/d" "$SSH_CONFIG" >copy.config
copy_id() { HOME=$SCRATCH/home timeout 60 ssh-copy-id -s -i "$SCRATCH/$1" -F "$SCRATCH/copy.config" alice; }
changed() { grep -F "keys.$1 session=" "$LOG" | grep -qF "account=alice key=\"ED25519 $(ssh-keygen -l -f "$2.pub" | cut -d' ' -f2)\" from=127.0.0.1"; }
ok "ssh-copy-id -s" copy_id one
is "$(file)" "$ini"$'\n'"$(<one.pub)" "adds the key"
ok "which logs in" by one true
ok "the log names it" changed added one
ok "ssh-copy-id -s of another" copy_id two
is "$(file)" "$(printf '%s\n' "$ini" "$(<one.pub)" "$(<two.pub)")" "keeps the first"
ok "ssh-copy-id -s of a key that is there" copy_id two
like "$out$err" "already exist" "finds it"
kill "$SSH_AGENT_PID"; unset 'tap_stack[-1]' SSH_AUTH_SOCK SSH_AGENT_PID

ok "put -p and chmod as everywhere" batch alice <<<$'put -p shown /.ssh/authorized_keys\nchmod 644 /.ssh/authorized_keys\nchmod 755 /.ssh'
file >/dev/null
is "$(file)" "$(printf '%s\n' "$ini" "$(<one.pub)" "$(<two.pub)")" "what came back from the file goes in again"
ok "comments are dropped, order and spelling kept" write <(printf '# mine\n\n  %s\r\n%s and more words\n' "$(<two.pub)" "$(<one.pub)")
is "$(file)" "$(printf '%s\n' "$ini" "  $(<two.pub)" "$(<one.pub) and more words")" "as they were written"

# --- refusals -----------------------------------------------------------------------------------------------------------------------------------

before=$(file)
refused() {
    local what=$1 want=$2; shift 2
    nok "refused: $what" "$@"
    like "$out$err" "$want" "refused: $what: with words"
    is "$(file)" "$before" "refused: $what: nothing was changed"
}
refused "a bad line" "line 2: key type: 'ssh-dss' is not known; allowed: ssh-ed25519.*nothing was changed" write one.pub <(echo "ssh-dss AAAA x")
refused "a key cut short" "line 1: .*nothing was changed" write <(head -c 60 one.pub)
refused "an option that is not known" "line 2: option: 'no-tty' is not supported; allowed: command" write one.pub <(echo "no-tty $(<two.pub)")
refused "an option twice" "line 1: option: 'pty' stands there twice" write <(echo "pty,pty $(<one.pub)")
refused "a short RSA key" "line 1: ssh-rsa: a key of 2048 bits; allowed: 3072" write short.pub
refused "a key twice" "line 2: key: the same key as in line 1" write one.pub one.pub
refused "a NUL byte" "NUL byte; nothing was changed" write one.pub <(printf '\0')
refused "a large file" "32 KiB.*nothing is changed" write <(yes '# words' | head -c 40000)
refused "rm" "not renamed, replaced or removed" batch alice <<<"rm /.ssh/authorized_keys"
refused "rmdir" "" batch alice <<<"rmdir /.ssh"
refused "rename" "not renamed" batch alice <<<"rename /.ssh/authorized_keys /.ssh/old"
refused "rename out" "not renamed" batch alice <<<"rename /.ssh/authorized_keys /one/keys"
refused "a file beside it" "holds authorized_keys only" batch alice <<<"put one.pub /.ssh/authorized_keys.new"
put alice one.pub /one/keys >/dev/null
refused "a file renamed to it" "not renamed, replaced" batch alice <<<"rename /one/keys /.ssh/authorized_keys"
refused "a link to it" "not renamed, replaced" batch alice <<<"ln -s /.ssh/authorized_keys /.ssh/x"
refused "chown" "owner cannot be changed" batch alice <<<"chown 7 /.ssh/authorized_keys"
refused "without the key in use" "the key of this connection, SHA256:[^ ]*, is missing" sftp_by one < <(echo "put two.pub /.ssh/authorized_keys")
nok "nothing else is in /.ssh" batch alice <<<"get /.ssh/id_rsa x"
is "$(WHO=bob; batch bob <<<'ls -l /.ssh' | grep -c authorized_keys)" 1 "bob has a file of his own"
nok "without alice's keys" timeout 60 ssh "${OPTIONS[@]}" -i one -p "$PORT" "bob@$HOST" true
nok "a login to one server has no /.ssh" batch alice <<<"get /one/.ssh/authorized_keys x"
timeout 60 sftp "${OPTIONS[@]}" -i "$KEY" -P "$PORT" -b - "alice+one@$HOST" <<<$'ls -a' >listing 2>&1
unlike "$(<listing)" '\.ssh|backups' "not even in its listing"

# A channel that goes before CLOSE.
python3 - "$HOST" "$PORT" "$KEY" "$SCRATCH/three.pub" <<'PY' >cut 2>&1
import sys
import paramiko
host, port, key, pub = sys.argv[1:]
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect(host, int(port), "alice", key_filename=key, look_for_keys=False, allow_agent=False)
s = c.open_sftp()
f = s.open("/.ssh/authorized_keys", "w")
f.write(open(pub).read())
f.flush()
assert f.stat().st_size == len(open(pub).read())
c.get_transport().close()
print("cut")
PY
is "$(<cut)" cut "a connection that ends before the file is closed"
is "$(file)" "$before" "changes nothing"
cat >script.py <<'PY'
import sys
import paramiko
host, port, key, pub = sys.argv[1:]
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect(host, int(port), "alice", key_filename=key, look_for_keys=False, allow_agent=False)
s = c.open_sftp()
NAME, line = "/.ssh/authorized_keys", open(pub, "rb").read()


def ok(good, words):
    print("ok" if good else "not ok", words)


with s.open(NAME, "rb") as f:
    whole = f.read()
    f.seek(5)
    ok(f.read(7) == whole[5:12], "read in the middle")
with s.open(NAME, "ab") as f:
    f.write(line)
with s.open(NAME, "rb") as f:
    ok(f.read() == whole + line, "append")
with s.open(NAME, "r+b") as f:
    f.seek(len(whole))
    f.write(line.replace(b"label", b"LABEL"))
with s.open(NAME, "rb") as f:
    ok(f.read() == whole + line.replace(b"label", b"LABEL"), "write at an offset")
with s.open(NAME, "r+b") as f:
    f.truncate(len(whole))
    ok(f.stat().st_size == len(whole), "truncate by the handle")
with s.open(NAME, "rb") as f:
    ok(f.read() == whole, "and what is left is stored")
for words, act in (("exclusive", lambda: s.open(NAME, "wx")), ("truncate by the name", lambda: s.truncate(NAME, 0)),
                   ("a folder as file", lambda: s.open("/.ssh", "r")), ("a file as folder", lambda: s.listdir(NAME)),
                   ("readlink", lambda: s.readlink(NAME)), ("mkdir", lambda: s.mkdir("/.ssh")), ("a folder below", lambda: s.mkdir("/.ssh/x")),
                   ("write to what is read", lambda: s.open(NAME, "r").write("x") or s.stat(NAME + "x"))):
    try:
        act()
        ok(False, f"refused: {words}")
    except IOError as e:
        ok(True, f"refused: {words} ({e})")
f = s.open(NAME, "ab")
f.write(b"rubbish\n")
f.flush()
try:
    s._request(paramiko.sftp.CMD_CLOSE, f.handle)    # its own close() keeps the answer to itself
    ok(False, "close tells")
except IOError as e:
    ok("line " in str(e) and "rubbish" in str(e), f"close tells ({e})")
ok(s.normalize("/one/../.ssh/./authorized_keys") == NAME and s.stat("/one/../.ssh/authorized_keys").st_size == len(whole), "by any spelling")
PY
timeout 60 python3 script.py "$HOST" "$PORT" "$KEY" "$SCRATCH/three.pub" >results 2>&1
import_results results "paramiko: "
is "$(file)" "$before" "it is as it was"

write one.pub <(echo "no-pty,from=\"127.0.0.0/8\" $(<two.pub)") >/dev/null 2>&1
is "$(file)" "$(printf '%s\n' "$ini" "$(<one.pub)" "no-pty,from=\"127.0.0.0/8\" $(<two.pub)")" "options are taken and shown"
ok "options: the key logs in" by two true
nok "options: none that shut out the key in use" sftp_by two < <(echo "put $(echo "from=\"192.0.2.1\" $(<two.pub)" >shut; echo shut) /.ssh/authorized_keys")
like "$out$err" "could not be used from here" "options: with words"
printf '%s\n' "${before#*$'\n'}" | write >/dev/null 2>&1
is "$(file)" "$before" "options: and away again"

# --- sshfs, rclone ------------------------------------------------------------------------------------------------------------------------------

mkdir mnt
ok "sshfs" timeout 30 sshfs -F "$SSH_CONFIG" alice:/ mnt
cleanup fusermount3 -uz "$SCRATCH/mnt"
is "$(cat mnt/.ssh/authorized_keys)" "$before" "sshfs: cat"
ok "sshfs: >>" bash -c "cat three.pub >>mnt/.ssh/authorized_keys"
has_three() { file | grep -qxF "$(<three.pub)"; }
ok "sshfs: is there" wait_until 5 has_three
nok "sshfs: a temporary file beside it" bash -c "echo >mnt/.ssh/authorized_keys~"
cp one.pub mnt/one/keys
nok "sshfs: a rename to it" mv -T mnt/one/keys mnt/.ssh/authorized_keys
nok "sshfs: fsync tells of a bad line" dd if=/dev/zero of=mnt/.ssh/authorized_keys bs=8 count=1 conv=fsync,notrunc oflag=append
fusermount3 -u mnt; unset 'tap_stack[-1]'
cat >rclone.conf <<EOF
[r]
type = sftp
host = $HOST
port = $PORT
user = alice
key_file = $KEY
known_hosts_file = $KNOWN_HOSTS
EOF
RCLONE=(timeout 60 rclone --config rclone.conf --retries 1 --low-level-retries 1)
ok "rclone: fetch" "${RCLONE[@]}" copyto r:/.ssh/authorized_keys fetched
is "$(<fetched)" "$(file)" "rclone: is the file"
grep -v three fetched >edited
ok "rclone: put back, without one" "${RCLONE[@]}" copyto --ignore-times edited r:/.ssh/authorized_keys
is "$(file)" "$(<edited)" "rclone: is taken"

# --- at once ------------------------------------------------------------------------------------------------------------------------------------

head -c 40M /dev/zero >slow
# Uploads slowly with the key K to /one/NAME; FILE.ended gets exit code and time.
upload() {
    rm -f "$2.ended"
    ( timeout 60 sftp "${OPTIONS[@]}" -i "$SCRATCH/$1" -P "$PORT" -l 6000 -b <(echo "put slow /one/$2") "alice@$HOST" >"$2.out" 2>&1
        echo "$? ${EPOCHREALTIME/./}" >"$2.ended" ) & client=$!
    wait_until 10 bash -c "[ \"\$(stat -c %s '$PREFIX/state/servers/one/$2' 2>/dev/null || echo 0)\" -gt 100000 ]"
}
ends() {
    wait_until 5 test -s "$1.ended"
    atmost $((($(cut -d' ' -f2 "$1.ended" || echo 0) - from) / 1000)) 1500 "$2: the transfer ended within a second, ms"
    isnt "$(cut -d' ' -f1 "$1.ended")" 0 "$2: as a failure"
    wait $client
}
upload one up1
from=$(now_us)
ok "a key is taken out while it is in use elsewhere" write two.pub
ends up1 "a removed key"
nok "a removed key: logs in no more" by one true
ok "a removed key: the other does" by two true
ok "a removed key: is logged" changed removed one
upload two up2
sed -i 's/^\[account alice\]/&\nown_keys = no/' "$A"
from=$(now_us)
ok "own_keys = no" reload
ends up2 "own_keys = no"
nok "own_keys = no: an own key logs in no more" by two true
is "$(file)" "$(printf '%s\n' "# own keys are turned off for this account: those below do not log in" "$ini" "$(<two.pub)")" "own_keys = no: the file can be read"
nok "own_keys = no: and not written" write two.pub one.pub
like "$err" "may not have keys of its own" "own_keys = no: which is said"
sed -i '/^own_keys = no/d' "$A"
ok "own_keys = yes again" reload
ok "and the key is back" by two true

# --- kept, and sealed ---------------------------------------------------------------------------------------------------------------------------

before=$(file)
pid=$(store_pid)
kill -KILL "$pid"
ok "another store" wait_until 10 bash -c "grep -c store.ready '$LOG' | grep -qv '^1$'"
ok "has the keys" wait_until 10 by two true
is "$(file)" "$before" "and the file"
for word in "$(cut -d' ' -f2 two.pub)" "$(cut -d' ' -f2 two.pub | tail -c 30)" label-of-two "$(cut -d' ' -f2 one.pub)" label-of-one; do
    nok "not in the database or its -wal: ${word:0:12}..." grep -qaF -- "$word" -r "$PREFIX/state/store"
done
nok "nor the blob" python3 -c 'import base64, glob, sys
blob = base64.b64decode(open(sys.argv[2]).read().split()[1])[-32:]
sys.exit(0 if any(blob in open(f, "rb").read() for f in glob.glob(sys.argv[1] + "/*")) else 1)' "$PREFIX/state/store" two.pub
down() {
    kill -TERM "$SERVER_PID"
    wait_until 10 bash -c "! kill -0 $SERVER_PID 2>/dev/null"
}
again() {
    down
    eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null | grep SERVER_PID)"
}
mv "$CONFIG/secret.key" kept
again
ok "without secret.key: says so" logged 'secret.lost file=.*secret.key why="it is missing'
ok "without secret.key: is not made anew" test ! -e "$CONFIG/secret.key"
nok "without secret.key: own keys do not log in" by two true
nok "without secret.key: the file is not shown" batch alice <<<"get /.ssh/authorized_keys x"
like "$err" "lost the secret key" "without secret.key: which is said"
nok "without secret.key: nor written" write two.pub
down
install -m 0640 kept "$CONFIG/secret.key"
exits 71 "a secret key that others can read is refused" "$DAEMON" -c "$CONFIG" -D
like "$err" "secret.key must be a file of root's with mode 0600" "by name"
install -m 0600 kept "$CONFIG/secret.key"
again
is "$(file)" "$before" "put back, the file is as it was"
ok "and own keys log in" by two true

# --- backups ------------------------------------------------------------------------------------------------------------------------------------

head -c 9000000 /dev/urandom >blob
put alice blob /one/blob >/dev/null
id=$(hf alice backup create one 2>/dev/null)
name=$id.tar.zst
hf alice backup get one "$id" >by-verb
ok "backups are listed" batch alice <<<$'ls -1 /backups\nls -l /backups/one\nls -a /backups/two'
like "$out" "-r-------- .* $(stat -c %s by-verb) .*/backups/one/$name" "with their size"
ok "and read" batch alice <<<"get /backups/one/$name by-sftp"
ok "as by the verb" cmp by-verb by-sftp
ok "with rclone, which compares digests" "${RCLONE[@]}" copy "r:/backups" mirror
ok "byte for byte" cmp by-verb "mirror/one/$name"
is "$(date -u -d "@$(stat -c %Y "mirror/one/$name")" +%Y%m%dT%H%M%SZ)" "${id%-*}" "at its time"
for what in "rm /backups/one/$name" "put blob /backups/one/x.tar.zst" "put blob /backups/one/$name" "mkdir /backups/new" "rename /backups/one/$name /one/x" \
    "rename /one/blob /backups/one/x" "chmod 600 /backups/one/$name" "ln -s x /backups/one/y" "rmdir /backups/one"; do
    nok "refused: ${what//$id/ID}" batch alice <<<"$what"
    like "$err" "backups are made by 'ssh ... backup create'" "with words"
done
nok "one that is not there" batch alice <<<"get /backups/one/20200101T000000Z-0000.tar.zst x"
nok "a server that is not there" batch alice <<<"ls /backups/nine"
nok "a name above it" batch alice <<<"get /backups/one/../two/$name x"
is "$(batch bob <<<'ls -1 /backups' | grep -v sftp | sort | tr '\n' ' ')" "/backups/one /backups/three " "bob sees those he may read"
( timeout 60 "${SFTP[@]}" -l 6000 -b <(echo "get /backups/one/$name bobs") bob >bob.out 2>&1; echo "$? ${EPOCHREALTIME/./}" >bob.ended ) & client=$!
wait_until 10 bash -c '[ "$(stat -c %s bobs 2>/dev/null || echo 0)" -gt 10000 ]'
sed -i 's/^allow = bob: files backup.read/allow = bob: files/' "$S"
from=$(now_us)
ok "the right to them is taken away" reload
ends bob "a lost right"
nok "a lost right: no more of them" batch bob <<<"get /backups/one/$name x"
printf '[server backups]\nowner = alice\ncommand = ./run\n' >>"$S"
nok "no server can have the name" reload
like "$out$err" "a server cannot be named 'backups'" "which is said"
ok "the daemon is up" daemon_up
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
