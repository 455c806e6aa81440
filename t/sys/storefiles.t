#!/bin/bash
# The store's files after anything root did to them: mended and said at the start, or refused by name.  `store check`, `store backup`, and the way back
# from a backup.  Databases of earlier schemas, and of later ones.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need sqlite3 setpriv
scratch
rig_up
cd "$SCRATCH" || exit 1
S=$PREFIX/state/store K=$CONFIG/secret.key
U=$(stat -c %u "$S")
tool() { timeout 60 "$TOOL" --run "$RUN" "$@"; }
down() { kill -TERM "$SERVER_PID"; wait_until 20 bash -c "! kill -0 $SERVER_PID 2>/dev/null"; }
up() { : >"$LOG"; eval "$("$HERE/t/rig" start "$PREFIX" 2>/dev/null | grep SERVER_PID)"; }
right() { [ "$(stat -c '%u:%g %a' "$S")" = "$U:$U 700" ] && [ -z "$(find "$S" -mindepth 1 ! \( -type f -uid "$U" -gid "$U" -perm 0600 -links 1 \))" ]; }
ssh-keygen -q -t ed25519 -N '' -C label-of-own -f own
cat "$KEY.pub" own.pub >keys
ok "own keys are set" batch alice <<<"put keys /.ssh/authorized_keys"
sees() { rm -f shown; batch alice <<<"get /.ssh/authorized_keys shown" >/dev/null 2>&1; grep -q label-of-own shown; }

# --- mended at the start ------------------------------------------------------------------------------------------------------------------------------

# WHAT NAME COMMAND: while it is down; then it starts, says NAME, and all is right.
mended() {
    local what=$1 name=$2; shift 2
    down
    "$@" || bail "cannot: $*"
    up
    ok "mended: $what" hf alice true
    ok "mended: $what: all is right" right
    ok "mended: $what: which is said" logged "store.mended file=$S/$name owner="
    ok "mended: $what: nothing is lost" sees
}
mended "all given to root" store.db chown -R root:root "$S"
mended "all open to everybody" . chmod -R a+rwX "$S"
mended "a folder of another mode" . chmod 0755 "$S"
mended "a set-user-id database" store.db chmod 4600 "$S/store.db"
mended "a file of another user in a shut folder" store.db chown 12345:12345 "$S/store.db"
# The last to close it writes all into the database and removes both.
shut() { sqlite3 "$S/store.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null && [ ! -e "$S/store.db-wal" ]; }
empty() { shut && install -m 0644 /dev/null "$S/store.db-wal" && install -m 0644 /dev/null "$S/store.db-shm"; }
mended "a root-owned -wal and -shm left behind" store.db-wal empty
# A root without CAP_CHOWN cannot hand the files to the owner of the database, and a kill leaves them there.
killed_one() {
    shut && printf '%s\n' 'CREATE TABLE x (y); DROP TABLE x;' '.system kill -9 $PPID' >sql
    setpriv --bounding-set -chown --inh-caps -chown sqlite3 "$S/store.db" <sql 2>/dev/null
    [ "$(stat -c %u "$S/store.db-wal")" = 0 ]
}
mended "what sqlite3 of root wrote and left" store.db-wal killed_one
restored() { shut && cp "$S/store.db" x.db && rm -f "$S"/store.db* && cp x.db "$S/store.db" && chmod 0644 "$S/store.db"; }
mended "a restored copy with other modes" store.db restored
mended "activity's too" activity.db bash -c "chown root $S/activity.db; chmod 0644 $S/activity.db"

# --- refused by name ----------------------------------------------------------------------------------------------------------------------------------

refused() {
    local what=$1 want=$2; shift 2
    down
    rm -rf kept; cp -a "$S" kept
    "$@" || bail "cannot: $*"
    exits 71 "refused: $what" timeout 20 "$DAEMON" -c "$CONFIG" -D
    like "$err" "$want" "refused: $what: by name"
    rm -rf "$S"; cp -a kept "$S"
}
echo "not yours" >target; chmod 0644 target
for f in store.db store.db-wal store.db-shm; do
    refused "$f is a symbolic link" "store: $S/$f is no plain file: move it away" ln -sfn "$SCRATCH/target" "$S/$f"
    up
done
is "$(cat target; stat -c '%u %a' target)" "not yours"$'\n'"0 644" "its target is as it was"
refused "a hard link" "store: $S/store.db has 2 names, must have one" ln "$S/store.db" "$PREFIX/state/other"
rm -f "$PREFIX/state/other"; up
refused "a FIFO" "store.db-wal is no plain file" bash -c "rm -f $S/store.db-wal; mkfifo $S/store.db-wal"; up
refused "a folder" "store.db-shm is no plain file" bash -c "rm -f $S/store.db-shm; mkdir $S/store.db-shm"; up
refused "another's file where others could write" "store.db belongs to uid 12345, in a folder that was open to others" bash -c "chown 12345 $S/store.db; chmod 0777 $S"; up
refused "another's folder" "$S belongs to uid 12345" chown 12345 "$S"; up
down; mv "$S" moved; ln -s "$SCRATCH/moved" "$S"
exits 71 "refused: the folder is a link" timeout 20 "$DAEMON" -c "$CONFIG" -D
rm "$S"; mv moved "$S"; up
ok "put back, all is well" sees

# --- while it runs ------------------------------------------------------------------------------------------------------------------------------------

ok "root reads with sqlite3" sqlite3 "$S/store.db" 'SELECT COUNT(*) FROM account'
ok "and writes" sqlite3 "$S/store.db" "UPDATE server SET number = number WHERE name = 'one'"
ok "logins and changes go on" batch alice <<<"put keys /.ssh/authorized_keys"
chown root:root "$S"/store.db-*; chmod 0644 "$S"/store.db-*
ok "a -wal and -shm of root's: logins go on" hf alice true
ok "and changes" batch alice <<<"put keys /.ssh/authorized_keys"
exits 1 "a check names them" tool store check
like "$out" "files: .*store.db-wal: belongs to uid 0, must belong to $U" "with owner and what it must be"
down; up
ok "the next start mends them" right
mkfifo hold; sqlite3 "$S/store.db" <hold >/dev/null & holder=$!
exec 9>hold; echo "BEGIN IMMEDIATE;" >&9; sleep 0.3
nok "while root's sqlite3 holds the lock a change fails" batch alice <<<"put keys /.ssh/authorized_keys"
ok "which is said" logged "store.database .*database is locked"
ok "logins go on" hf alice true
exec 9>&-; wait $holder
ok "and changes afterwards" batch alice <<<"put keys /.ssh/authorized_keys"

ln -sfn "$SCRATCH/target" "$S/store.db-shm"; kill -9 "$(store_pid)"
ok "a link where a store that died had a file is refused" wait_until 20 logged "store.start error=.*store.db-shm is no plain file: move it away"
ok "the daemon goes on" "$TOOL" --run "$RUN" status
is "$(cat target)" "not yours" "and followed no link"
rm "$S/store.db-shm"
ok "without it there is a store again" wait_until 40 hf alice true

# --- check and backup -----------------------------------------------------------------------------------------------------------------------------------

ok "a check" tool store check
like "$out" "^the store is sound: schema [0-9]+, [0-9]+ pages, [0-9]+ sealed texts$" "says what it looked at"
ok "as objects" tool store check --json
json_ok ok wrong schema pages sealed <<<"$out"; is $? 0 "with stable keys"
sqlite3 "$S/store.db" "CREATE INDEX odd ON key (label)"
exits 1 "a schema that is not ours" tool store check
like "$out" "schema: it has tables, indexes or triggers that this build does not make" "is told"
sqlite3 "$S/store.db" "DROP INDEX odd; PRAGMA foreign_keys = OFF; INSERT INTO password VALUES ('nobody', 'x', 1)"
exits 1 "a row without its account" tool store check --json
like "$out" '"part":"foreign keys","wrong":"password: a row without its account"' "is told"
sqlite3 "$S/store.db" "DELETE FROM password WHERE account = 'nobody'"

ok "a backup" tool store backup "$SCRATCH/b.db"
is "$(stat -c '%u %a %h' b.db)" "0 600 1" "is root's, 0600"
is "$(sqlite3 b.db 'PRAGMA integrity_check; SELECT COUNT(*) FROM account')" $'ok\n2' "and whole"
is "$(echo b.db*)$(ls "$S" | grep copy)" "b.db" "nothing is left beside it, nor in the store's folder"
sum=$(sha256sum <b.db)
exits 1 "a second one" tool store backup b.db
like "$err" "b.db: is there already; --force replaces it" "does not replace the first"
is "$(sha256sum <b.db)" "$sum" "which is as it was"
ok "with --force" tool store backup b.db --force
touch c.db.part
ok "what a killed one left is no hindrance" tool store backup c.db --json
json_ok bytes schema <<<"$out"; is $? 0 "as an object"
ln -s "$SCRATCH/target" l.db
exits 1 "a link in its place" tool store backup l.db
is "$(cat target)" "not yours" "is not followed"
exits 1 "a folder that is not there" tool store backup nowhere/b.db
exits 1 "no room" tool store backup /dev/full/b.db
mkdir small; mount -t tmpfs -o size=16k none small; cleanup umount "$SCRATCH/small"
exits 1 "a full disk" tool store backup small/b.db
like "$err" "No space left" "is told"
is "$(ls small)" "" "and leaves nothing"
# Copies while accounts write: each is of one moment and sound.
for i in 1 2 3; do for _ in 1 2 3 4 5 6; do batch bob <<<"put own.pub /.ssh/authorized_keys"; done & done >/dev/null 2>&1
bad=0
for i in 1 2 3 4 5 6; do tool store backup busy.db --force >/dev/null && [ "$(sqlite3 busy.db 'PRAGMA integrity_check')" = ok ] || bad=$((bad + 1)); done
is "$bad" 0 "six backups beside changes are all sound"
wait %1 %2 %3 2>/dev/null

# Restored, as the manual says.
batch alice <<<"put $KEY.pub /.ssh/authorized_keys" >/dev/null 2>&1
nok "a key is taken out" sees
down
rm -f "$S"/store.db*; cp b.db "$S/store.db"
up
ok "a restored backup starts" hf alice true
ok "with what was in it" sees
ok "and is sound" tool store check
tool key rotate >/dev/null
down; rm -f "$S"/store.db*; cp b.db "$S/store.db"; up
ok "one of before a rotation needs the key of then" logged "secret.lost file=$K why=\"it is not the right one"
ok "keys of the ini files log in meanwhile" hf alice true
down; rm -f "$S"/store.db*; up
ok "an empty folder begins anew" hf alice true

# --- schemas ------------------------------------------------------------------------------------------------------------------------------------------

down
sqlite3 "$S/store.db" "PRAGMA user_version = 99"
: >"$LOG"; timeout 4 "$DAEMON" -c "$CONFIG" -D >"$LOG" 2>&1
ok "a later schema is refused" logged "store.start error=.*its schema 99 is newer than this build's [0-9]+: install the newer version again"
is "$(sqlite3 "$S/store.db" 'PRAGMA user_version')" 99 "and left as it is"
print=$(ssh-keygen -lf "$KEY.pub" | cut -d' ' -f2)
for v in 1 2; do
    rm -f "$S"/store.db*
    { cat "$HERE/store/schema/001-start.sql"; [ $v = 1 ] || cat "$HERE/store/schema/002-own-keys.sql"; echo "PRAGMA user_version = $v;
      INSERT INTO account (name, password, suspended, max_connections, digest) VALUES ('alice', 1, 0, 10, x'01');
      INSERT INTO password VALUES ('alice', '\$argon2id\$v=19\$m=65536,t=2,p=1\$x', 1); INSERT INTO server VALUES ('gone', 7, NULL, NULL);"
      cols="account, hash, type, fingerprint, label" more=
      [ $v = 1 ] || { cols="$cols, origin, line, added"; more=", 'ini', 1, 1"; }
      echo "INSERT INTO key ($cols) VALUES ('alice', randomblob(32), 'ssh-ed25519', '$print', 'x'$more);"; } | sqlite3 "$S/store.db"
    head -c 32 /dev/urandom >"$S/hash.key"
    up
    wait_until 20 tool store check
    ok "a database of schema $v is migrated" tool store check
    ok "schema $v: the log names the steps" logged "store.migrated schema=7 step=007"
    ok "schema $v: keys log in" hf alice true
    nok "schema $v: no fingerprint is left in the files" grep -aqF "$print" -r "$S"
    ok "schema $v: the key that hashes were made with is gone" test ! -e "$S/hash.key"
    is "$(sqlite3 "$S/store.db" "SELECT COUNT(*) FROM password; SELECT number FROM server WHERE name = 'gone'")" $'1\n7' "schema $v: what only the store knows is kept"
    down
done
up
# Its servers got other numbers: their disks are being made ready.
for s in one two; do ok "server $s has its disk" wait_until 30 hf alice quota $s; done
ok "and three" wait_until 30 hf bob quota three
done_testing
