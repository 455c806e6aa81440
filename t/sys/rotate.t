#!/bin/bash
# `holdfast key rotate`: everything sealed anew under a new secret.key, while sessions go on; cut at every system call of supervisor and store, one key
# opens everything at the next start.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need strace sqlite3
scratch
rig_up
cd "$SCRATCH" || exit 1
S=$PREFIX/state/store K=$CONFIG/secret.key
tool() { timeout 60 "$TOOL" --run "$RUN" "$@"; }
for k in one two bobs; do ssh-keygen -q -t ed25519 -N '' -C "label-of-$k" -f "$k"; done
OPTIONS=(-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o BatchMode=yes
    -o LogLevel=ERROR)
by() { local k=$1 who=$2; shift 2; timeout 60 ssh "${OPTIONS[@]}" -i "$k" -p "$PORT" "$who@$HOST" "$@"; }
cat one.pub two.pub >alices
ok "own keys are set" batch alice <<<"put alices /.ssh/authorized_keys"
ok "and bob's" batch bob <<<"put bobs.pub /.ssh/authorized_keys"
file() { rm -f shown; batch alice <<<"get /.ssh/authorized_keys shown" >/dev/null 2>&1; cat shown; }
before=$(file)

# --- what it changes, and what not ----------------------------------------------------------------------------------------------------------------

master() { timeout 60 ssh "${OPTIONS[@]}" -o ControlPath="$SCRATCH/ctl" "$@"; }
master -i one -o ControlMaster=yes -o ControlPersist=yes -N -f -p "$PORT" "alice@$HOST" || bail "no connection"
cleanup bash -c "[ ! -S $SCRATCH/ctl ] || timeout 10 ssh -F none -o ControlPath=$SCRATCH/ctl -O exit x"
cp "$K" old; sqlite3 "$S/store.db" 'SELECT hex(hash), hex(sealed), hex(sealed_print) FROM key' | tr '|' '\n' | grep . >old.rows
ok "a rotation" tool key rotate
like "$out" "the secret key is a new one; [0-9]+ texts were sealed with it" "says so"
nok "the key is another one" cmp -s old "$K"
is "$(stat -c '%U %a %s %h' "$K")" "root 600 32 1" "root's, 0600"
is "$(cd "$CONFIG" && echo secret.key*)" secret.key "and the only one"
sqlite3 "$S/store.db" 'SELECT hex(hash), hex(sealed), hex(sealed_print) FROM key' | tr '|' '\n' | grep . >new.rows
is "$(sort old.rows new.rows | uniq -d)" "" "every hash and every sealed text is a new one"
nok "nothing of the old ones is left in the files" python3 -c 'import glob, sys
all = b"".join(open(f, "rb").read() for f in glob.glob(sys.argv[1] + "/store.db*"))
sys.exit(0 if any(bytes.fromhex(x) in all for x in open("old.rows").read().split()) else 1)' "$S"
ok "a live session goes on" master "alice@$HOST" -p "$PORT" true
is "$(file)" "$before" "the own keys are as they were"
ok "and log in" by two alice true
ok "those of the ini files too" hf alice true
is "$(tool reload)" "nothing changed" "for the configuration nothing changed"
ok "the session outlives that too" master "alice@$HOST" -p "$PORT" true
kill -9 "$(store_pid)"
ok "and the store's death" wait_until 20 master "alice@$HOST" -p "$PORT" true
ok "once there is one again" wait_until 20 tool store check
ok "again, as objects" tool key rotate --json
json_ok texts broken <<<"$out"; is $? 0 "one with stable keys"
exits 2 "an unknown word" tool key turn
like "$err" "usage: holdfast key rotate" "is told"
exits 2 "--force elsewhere" tool status --force

# --- a text that does not open --------------------------------------------------------------------------------------------------------------------

sqlite3 "$S/store.db" "UPDATE key SET sealed = (SELECT sealed FROM key WHERE account = 'bob' AND origin = 'own') WHERE account = 'alice' AND origin = 'own' AND line = 1"
cp "$K" old
exits 1 "a text moved from another account" tool key rotate
like "$err" "1 of the sealed texts do not open; 'holdfast store check' names them, '--force' leaves them" "stops it"
ok "the log says whose" logged 'sealed.broken use="own key" account=alice'
ok "nothing was changed" cmp old "$K"
is "$(cd "$CONFIG" && echo secret.key*)" secret.key "and no second key is left"
exits 1 "a check names it" tool store check
like "$out" "sealed: key.sealed of account alice: a text does not open" "with table and account"
ok "with --force" tool key rotate --force
like "$out" "1 texts did not open and were left as they are" "it is left"
ok "and takes no other along" by two alice true
ok "who it belongs to is told" grep -F "damaged; it still counts, and is mended by writing it again: $(ssh-keygen -lf one.pub | cut -d' ' -f2)" <(file)
ok "and writes it again" batch alice <<<"put alices /.ssh/authorized_keys"
is "$(file)" "$before" "which mends it"
ok "for the check too" tool store check

# --- a key that lies there, and one that is lost ---------------------------------------------------------------------------------------------------

head -c 32 /dev/urandom >"$K.new"; chmod 644 "$K.new"
kill -TERM "$SERVER_PID"; wait_until 10 bash -c "! kill -0 $SERVER_PID 2>/dev/null"
exits 71 "a secret.key.new that others can read is refused" timeout 20 "$DAEMON" -c "$CONFIG" -D
like "$err" "secret.key.new must be a file of root's with mode 0600" "by name"
chmod 600 "$K.new"; touch "$K.4242.new" "$K.new.4242.new"
eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null | grep SERVER_PID)"
is "$(cd "$CONFIG" && echo secret.key*)" secret.key "one that opens nothing goes, as do halves"
ok "which is said" logged "secret.rotate file=.*the old key stays"
ok "all is well" tool store check

# --- cut everywhere ---------------------------------------------------------------------------------------------------------------------------------

timeout 60 "$TOOL" --run "$RUN" shutdown
wait_until 20 bash -c "! kill -0 $SERVER_PID 2>/dev/null"
# Without servers a daemon starts at once.
mv "$CONFIG/servers.d/rig.ini" servers.kept
export DAEMON TOOL RUN CONFIG PREFIX KNOWN_HOSTS PORT HOST
timeout 900 python3 -B "$HERE/t/lib/rotate_cuts.py" "$SCRATCH" >cuts 2>&1
is $? 0 "it was cut"
import_results cuts "cut: "
mv servers.kept "$CONFIG/servers.d/rig.ini"
eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null | grep SERVER_PID)"
is "$(file)" "$before" "after all of them the own keys are as they were"
ok "and log in" by one alice true
done_testing
