#!/bin/bash
# Who steals the database, its -wal and our copies of it learns no key, no password and no secret from them, and cannot even ask whether a public key he
# holds is one of those in it.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need sqlite3
scratch
cd "$SCRATCH" || exit 1
for i in 1 2 3 4 5 6; do ssh-keygen -q -t ed25519 -N '' -C "whose-label-$i" -f "own$i"; done
ssh-keygen -q -t rsa -b 3072 -N '' -C "whose-label-rsa" -f ownrsa
ssh-keygen -q -t ecdsa -b 384 -N '' -C "whose-label-ecdsa" -f ownecdsa
ssh-keygen -q -t rsa -b 3072 -N '' -C admin-rsa -f inirsa
rig_up
# An account stands in one file only.
A=$CONFIG/accounts.d/rig.ini
sed -i "/^\[account alice\]/a password = yes" "$A"
cp inirsa.pub "$CONFIG/more.pub"; sed -i "/^\[account alice\]/a keys_file = $CONFIG/more.pub" "$A"
S=$PREFIX/state/store K=$CONFIG/secret.key
tool() { timeout 60 "$TOOL" --run "$RUN" "$@"; }
ok "the accounts are as wanted" tool reload
store() { cat "$@" >new; batch alice <<<"put new /.ssh/authorized_keys"; }
ok "own keys of all kinds" store own1.pub own2.pub ownrsa.pub ownecdsa.pub
ok "and bob's" batch bob <<<"put own3.pub /.ssh/authorized_keys"
ok "some go again" store own1.pub own4.pub ownrsa.pub ownecdsa.pub
ok "a password" bash -c "echo 'correct horse battery staple' | '$TOOL' --run '$RUN' account passwd alice"
ok "and another one" bash -c "echo 'Tr0ub4dor&3-again' | '$TOOL' --run '$RUN' account passwd alice"
enroll() { hf bob totp enroll --json >factor; }
verify() { hf bob totp verify --json "$(python3 -B "$HERE/t/lib/totp_code.py" "$secret")" >recovery; }
ok "bob begins a second factor" enroll
secret=$(python3 -c 'import json; print(json.load(open("factor"))["secret"])')
ok "and has one, with recovery codes" verify
put_run one <"$HERE/t/payload/echo" >/dev/null 2>&1
ok "a server starts" started one
ok "a backup" hf alice backup create one nightly
ok "files come and go" batch alice <<<$'put new /one/new\nrename /one/new /one/newer\nrm /one/newer'
cp "$K" first.key
ok "the secret key is changed" tool key rotate
ok "more own keys" store own1.pub own5.pub own6.pub ownrsa.pub ownecdsa.pub
ok "a copy of ours" tool store backup "$SCRATCH/copy.db"
mkdir stolen; cp -a "$S/." copy.db stolen/
is "$(ls stolen | tr '\n' ' ')" "activity.db activity.db-wal copy.db store.db store.db-shm store.db-wal " "all there is was stolen"
is "$(sqlite3 stolen/copy.db "SELECT COUNT(*) FROM key WHERE origin = 'own'; SELECT COUNT(*) > 0 FROM backup; SELECT COUNT(*) FROM password; SELECT COUNT(*) FROM seed; SELECT COUNT(*) FROM recovery")" $'6\n1\n1\n1\n10' "and it is full"

cat >look.py <<'E2'
"""look.py FOLDER FIRST_KEY KEY RIG_KEYS... : what of it is in the files."""
import base64
import glob
import hashlib
import json
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.environ["LIB"])
from results import ok

folder, first, now, *publics = sys.argv[1:]
files = {os.path.basename(p): open(p, "rb").read() for p in glob.glob(folder + "/*")}


def forms(b):
    """The bytes, and how they may be written."""
    yield "raw", b
    yield "hex", b.hex().encode()
    yield "HEX", b.hex().upper().encode()
    # Base64 of it inside of something longer, at each of three places.
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + b)
        yield f"base64 {shift}", text[4 if shift else 0:len(text) // 4 * 4 - 4]
    yield "base64url", base64.urlsafe_b64encode(b).rstrip(b"=")
    yield "utf-16", b.decode("latin-1").encode("utf-16-le")


def where(b):
    return [f"{name} as {form}" for name, data in files.items() for form, x in forms(b) if len(x) >= 8 and x in data]


def absent(what, *secrets):
    found = [w for s in secrets for w in where(s)]
    ok(not found, f"not in it: {what}", found[:5])


ok(all(any(x in d for d in files.values()) for x in (b"alice", b"nightly", b"$argon2id$")), "the search finds what is there")
keys = [open(p).read().split(None, 2) for p in publics]
blobs = [base64.b64decode(k[1]) for k in keys]
absent(f"{len(keys)} public keys", *blobs)
absent("any 24 bytes of them behind their type", *(b[i:i + 24] for b in blobs for i in range(len(b) - 24, 30, -24)))
absent("labels of own keys", *(k[2].strip().encode() for k in keys if "whose-label" in k[2]))
absent("passwords", b"correct horse battery staple", b"correct horse", b"Tr0ub4dor&3-again", b"Tr0ub4dor")
seed = json.load(open("factor"))["secret"]
absent("the seed of codes", base64.b32decode(seed), seed.encode(), seed.lower().encode())
codes = json.load(open("recovery"))["recovery_codes"]
plain = [c.replace("-", "").encode() for c in codes]
absent("recovery codes", *(c.encode() for c in codes), *plain, *(base64.b32decode(c) for c in plain))
absent("a hash of a recovery code that needs no key", *(hashlib.blake2b(b"recovery code\0bob\0" + c, digest_size=32).digest() for c in plain))
for name, path in (("the secret key of before", first), ("the secret key", now)):
    key = open(path, "rb").read()
    absent(name, key, key[:16], key[16:])
    # What hashes, digests and the key's id are made with: as store/stored/secret.c derives them.
    absent(f"the hash key of {name}", hashlib.blake2b(b"holdfast hash key", key=key, digest_size=32).digest())
# "Is this public key in it?": every hash of it that can be made without a key.
prints = [hashlib.new(h, b).digest() for b in blobs for h in ("sha256", "sha1", "md5", "sha512", "blake2b")]
prints += [hashlib.blake2b(x, digest_size=n).digest() for b in blobs for n in (16, 20, 32) for x in (b, hashlib.sha256(b).digest())]
absent("a hash of a public key that needs no secret", *prints)
absent("a fingerprint as people see it", *(base64.b64encode(hashlib.sha256(b).digest()).rstrip(b"=") for b in blobs))
columns = {}
for name in ("store.db", "copy.db"):
    db = sqlite3.connect(f"{folder}/{name}")
    rows = db.execute("SELECT hash, sealed, sealed_print FROM key").fetchall()
    columns[name] = {h for h, _, _ in rows}
    # With keys a thief can guess or find: none, zeroes, every 32 bytes of the files that stand alone in a field.
    tried = [b"", bytes(32)] + [v for table, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
                                for row in db.execute(f"SELECT * FROM {table}") for v in row if isinstance(v, bytes) and len(v) in (16, 32)]
    hit = [(b[:20], k) for b in blobs for k in tried for x in (b, hashlib.sha256(b).digest())
           if hashlib.blake2b(x, key=k, digest_size=32).digest() in columns[name]]
    ok(len(rows) >= 8 and not hit, f"{name}: no key of the {len(tried)} that lie there makes one of its {len(rows)} hashes of one of the public keys", hit[:3])
    ok(len({s for _, s, _ in rows if s} | {p for _, _, p in rows}) == len(rows) + sum(1 for _, s, _ in rows if s),
       f"{name}: no two sealed texts are equal, though bob and alice may have the same key")
    hashes = [h for h, in db.execute("SELECT hash FROM password")]
    ok(hashes and all(re.match(r"\$argon2id\$v=19\$m=65536,t=[2-9],p=1\$", h) for h in hashes), f"{name}: passwords are Argon2id", hashes)
    ok(db.execute("SELECT COUNT(*) FROM key WHERE origin = 'own' AND label <> ''").fetchone()[0] == 0, f"{name}: own keys have no label in clear")
# The same with the key: this test would find a key that is there.
key = open(now, "rb").read()
secret = hashlib.blake2b(b"holdfast hash key", key=key, digest_size=32).digest()
with_it = [hashlib.blake2b(hashlib.sha256(b).digest(), key=secret, digest_size=32).digest() in columns["store.db"] for b in blobs]
ok(sum(with_it) >= 7, f"with the secret key {sum(with_it)} of {len(blobs)} are found", with_it)
words = set(re.findall(rb"[\x20-\x7e]{6,}", b"".join(files.values())))
ok(not [w for w in words if re.search(rb"ssh-(rsa|ed25519) AAAA|AAAAC3Nza|AAAAB3Nza|AAAAE2Vj|PRIVATE KEY|SHA256:", w)], "nothing that looks like a key or a fingerprint")
sys.exit(ok.failed > 0)
E2
LIB=$HERE/t/lib timeout 300 python3 -B look.py stolen first.key "$K" own?.pub ownrsa.pub ownecdsa.pub inirsa.pub "$KEY.pub" "$KEY2.pub" >found 2>&1
is $? 0 "it was looked through"
import_results found ""

# --- memory -----------------------------------------------------------------------------------------------------------------------------------------

ctl=$SCRATCH/ctl
"${SSH[@]}" -o ControlMaster=yes -o ControlPath="$ctl" -o ControlPersist=yes -N -f alice || bail "no connection"
cleanup bash -c "[ ! -S $ctl ] || ${SSH[*]} -o ControlPath=$ctl -O exit alice"
sealed_off() {
    local p=$1 uid
    uid=$(awk '$1 == "Uid:" { print $3 }' "/proc/$p/status")
    # Of a process that may be dumped or traced these are its own uid's.
    [ "$(stat -c %u "/proc/$p/maps")" = 0 ] && [ "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$p/limits")" = "1 1" ] || return 1
    [ "$uid" = 0 ] || ! setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps -all --bounding-set -all cat "/proc/$p/environ" 2>/dev/null
}
for r in store session; do
    pids=$(role_pids $r)
    atleast "$(wc -w <<<"$pids")" 1 "there is a $r"
    for p in $pids; do ok "$r: its own uid can neither trace nor dump it" sealed_off "$p"; done
done
is "$(stat -c %u:%g "/proc/$SERVER_PID/maps")$(awk '/^Max core file size/ { print $5 }' "/proc/$SERVER_PID/limits")" "0:01" "nor anybody the supervisor's core"
if grep -q "store.unlocked" "$LOG"; then
    skip "the store's memory is locked" "the daemon may not raise RLIMIT_MEMLOCK here"
else
    for p in $(role_pids store); do
        # The guardian of those that compute holds nothing.
        [ "$(pgrep -P "$p" | wc -l)" -gt 0 ] && [ "$p" != "$(store_pid)" ] && continue
        atleast "$(awk '$1 == "VmLck:" { print $2 }' "/proc/$p/status")" 1000 "a store's memory is locked, in KiB"
    done
fi

# --- a text in another place ------------------------------------------------------------------------------------------------------------------------

file() { rm -f shown; batch "$1" <<<"get /.ssh/authorized_keys shown" >/dev/null 2>&1; cat shown; }
alices=$(file alice)
moved() {
    local what=$1 sql=$2
    : >"$LOG"
    cp "$S/store.db" intact.db 2>/dev/null
    sqlite3 "$S/store.db" "CREATE TEMP TABLE kept AS SELECT account, hash, origin, sealed, sealed_print FROM key; $sql; SELECT changes()" >changed
    is "$(tail -n 1 changed)" 1 "moved: $what"
    isnt "$(file alice)" "$alices" "moved: $what: does not open"
    ok "moved: $what: the log says so" wait_until 5 logged 'sealed.broken use="(own key|fingerprint)" account=alice'
    like "$(file alice)" "whose-label-6" "moved: $what: takes no other along"
    ok "moved: $what: a login goes on" hf alice true
    exits 1 "moved: $what: a check" tool store check
    like "$out" "key\.sealed(_print)? of account alice: a text does not open" "moved: $what: names it"
    store own1.pub own5.pub own6.pub ownrsa.pub ownecdsa.pub >/dev/null
    is "$(file alice)" "$alices" "moved: $what: mended by writing it again"
}
one="account = 'alice' AND origin = 'own' AND line = 1"
moved "from another row" "UPDATE key SET sealed = (SELECT sealed FROM kept WHERE account = 'alice' AND origin = 'own' AND hash <> key.hash LIMIT 1) WHERE $one"
moved "from another account" "UPDATE key SET sealed = (SELECT sealed FROM kept WHERE account = 'bob' AND origin = 'own') WHERE $one"
moved "from another use" "UPDATE key SET sealed = sealed_print WHERE $one"
done_testing
