#!/bin/bash
# Certificates of users, made by stock ssh-keygen and used by stock ssh: each check that lets in, refuses, or ends what was let in.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cd "$SCRATCH" || exit 1
for k in ca other_ca user admin; do ssh-keygen -q -t ed25519 -N '' -C "$k" -f $k; done
ssh-keygen -q -t ecdsa -N '' -C ecdsa_ca -f ecdsa_ca
ssh-keygen -q -t ecdsa -b 384 -N '' -C e384 -f e384
ssh-keygen -q -t ecdsa -b 521 -N '' -C e521 -f e521
ssh-keygen -q -t ecdsa -b 256 -N '' -C e256 -f e256
ssh-keygen -q -t rsa -b 3072 -N '' -C rsa -f rsa
ssh-keygen -q -t rsa -b 2048 -N '' -C short -f short
cat >certs.ini <<INI
[limits]
penalty_auth = 0s
penalty_noauth = 0s
penalty_grace = 0s
auth_tries = 1000
[auth]
ca_keys_file = ca_keys
revoked_keys = revoked
[account carol]
suspended = yes
INI
{ echo "# the CA"; cat ca.pub; } >ca_keys
: >revoked
# The rig checks what it starts, so the files are there before: in a folder whose name it chooses, hence absolute at first.
sed -i "s|ca_keys_file = |&$SCRATCH/|; s|revoked_keys = |&$SCRATCH/|" certs.ini
chmod 0600 ca_keys revoked
rig_up --ini "$SCRATCH/certs.ini"
INI=$CONFIG/holdfast.ini
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
put_run one <<'RUN'
#!/bin/sh
exec sleep 1000
RUN

# sign KEY [OPTION...]: KEY-cert.pub; the CA is $CA, the serial of each the next one
CA=ca SERIAL=0
sign() { local k=$1; shift; SERIAL=$((SERIAL + 1)); ssh-keygen -q -s $CA -I "$k@laptop" -z $SERIAL "$@" "$k.pub" || bail "ssh-keygen -s $* $k"; }
OPTIONS=(-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null
    -o StrictHostKeyChecking=yes -o BatchMode=yes -o ControlPath=none -o ConnectTimeout=20)
# by KEY [ssh option...] WHO VERB...
by() { local k=$1; shift; timeout 60 ssh "${OPTIONS[@]}" -o CertificateFile="$SCRATCH/$k-cert.pub" -i "$SCRATCH/$k" -p "$PORT" "$@"; }
print_of() { ssh-keygen -l -f "$1" | cut -d' ' -f2 | sed 's/[+]/[+]/g'; }
refused() { local what=$1 why=$2; shift 2; exits 255 "$what: refused" "$@"; ok "$what: the log says why" last_refusal "$why"; }
last_refusal() { grep -F 'Certificate invalid:' "$LOG" | tail -n 1 | grep -qE "invalid: $1: for .* from 127.0.0.1 port [0-9]+ ssh2: [A-Z0-9]*-CERT SHA256:"; }

# --- in ---------------------------------------------------------------------------------------------------------------------------------------------

sign user -n alice
exits 0 "a certificate of the CA" by user alice@$HOST whoami --json
like "$out" '"account":"alice".*publickey' "lets its principal in"
ok "the log has OpenSSH's words" logged "Accepted publickey for alice from 127.0.0.1 port [0-9]+ ssh2: ED25519-CERT $(print_of user.pub) ID user@laptop [(]serial $SERIAL[)] CA ED25519 $(print_of ca.pub)"
cp user bare
exits 255 "its key without it" timeout 60 ssh "${OPTIONS[@]}" -i bare -p "$PORT" "alice@$HOST" true
sign user -n bob,alice,zoe
exits 0 "one of several principals" by user alice@$HOST true
exits 0 "another one of them" by user bob@$HOST true
exits 0 "ACCOUNT+SERVER" by user alice+one@$HOST quota
for k in e256 e384 e521 rsa; do
    sign $k -n alice
    exits 0 "a certificate of a key of kind $k" by $k alice@$HOST true
done
ok "an rsa one is logged as such" logged "ssh2: RSA-CERT SHA256:[^ ]* ID rsa@laptop"
sign user -n alice -V -1h:+1h -O source-address=10.1.0.0/16,127.0.0.0/8
exits 0 "in its time, from its network" by user alice@$HOST true
sign user -n alice -O extension:more@example.com=x
exits 0 "an unknown extension" by user alice@$HOST true

# What stock ssh would not even offer.
raw() { is "$(timeout 60 python3 "$HERE/t/lib/cert_client.py" "$HOST" "$PORT" "$3" "$SCRATCH/$4" "$SCRATCH/user-cert.pub" 2>&1)" "$2" "$1: $2"; }
sign user -n alice
raw "the client of the next checks" in alice user

# --- out ----------------------------------------------------------------------------------------------------------------------------------------------

sign user -n bob
refused "another account's" "name is not a listed principal" by user alice@$HOST true
sign user -n 'al*,ALICE,alice '
refused "a pattern, another case, a blank" "name is not a listed principal" by user alice@$HOST true
sign user
refused "no principals" "lacks principal list" by user alice@$HOST true
sign user -n alice -V +1h:+2h
refused "before its time" "not yet valid" by user alice@$HOST true
sign user -n alice -V -2h:-1h
refused "after its time" "expired" by user alice@$HOST true
sign user -n alice -h
raw "of a host" denied alice user
ok "of a host: the log says why" last_refusal "not one of a user"
sign user -n alice -O source-address=10.1.0.0/16
refused "from elsewhere" "not from this address" by user alice@$HOST true
sign user -n alice -O critical:more@example.com=x
refused "an unknown critical option" "unknown critical option 'more@example.com'" by user alice@$HOST true
sign user -n alice -O "force-command=$(printf 'x%.0s' {1..201})"
refused "a long force-command" "a force-command longer than 200 bytes" by user alice@$HOST true
CA=other_ca sign user -n alice
refused "another CA" "signed by an unknown CA" by user alice@$HOST true
CA=ecdsa_ca sign user -n alice
refused "a CA of another kind" "signed by an unknown CA" by user alice@$HOST true
ok "which the log names" logged "Certificate invalid: .* CA ECDSA $(print_of ecdsa_ca.pub)"
sign user -n "$(printf '%s,' principal-{1..100})alice"
exits 0 "the last of 101 principals" by user alice@$HOST true
sign user -n "$(printf '%s,' "$(printf 'long%.0s' {1..25})"{1..100})alice"
exits 255 "more than 8 KiB" by user alice@$HOST true
ok "is logged" logged 'event=key.refused text="size=.*more than 8192 bytes'
sign short -n alice
exits 255 "a short RSA key" by short alice@$HOST true
sign user -n carol
exits 255 "a suspended account" by user carol@$HOST true
sign user -n nobody
exits 255 "an account that is not there" by user nobody@$HOST true
ok "is one" logged "Invalid user nobody from 127.0.0.1"
# Signed by the CA, changed afterwards: at each place that is under its signature.
sign user -n boa
cp user-cert.pub good-cert.pub
python3 - <<'PY'
import base64
kind, text = open("good-cert.pub").read().split()[:2]
blob = base64.b64decode(text)
places = {"id": blob.index(b"user@laptop"), "principal": blob.index(b"boa", blob.index(b"user@laptop")) + 2, "nonce": 40, "ca": len(blob) - 100,
          "signature": len(blob) - 5}
for name, at in places.items():
    changed = blob[:at] + bytes([blob[at] ^ 3]) + blob[at + 1:]
    open(f"changed.{name}", "w").write(f"{kind} {base64.b64encode(changed).decode()} x\n")
PY
for p in id nonce signature ca; do
    cp changed.$p user-cert.pub
    raw "changed in its $p" denied alice user
    [ $p = ca ] || ok "the log says that it is not the CA's" last_refusal "the signature is not its CA's"
done
cp changed.principal user-cert.pub
raw "changed in its principal" denied bob user
ok "the log says that it is not the CA's" last_refusal "the signature is not its CA's"
# Somebody else's certificate: libssh asks for its key's signature.
sign user -n alice
raw "with a key that is not the certified one" denied alice admin
raw "with the certified one" in alice user

# --- what it may do ----------------------------------------------------------------------------------------------------------------------------------

sign user -n alice -O force-command='status one --json'
exits 3 "force-command" by user alice@$HOST kill one
like "$out" '"server":"one"' "is run, whatever was asked"
exits 3 "and for a shell" by user alice@$HOST
like "$out" '"server":"one"' "too"
exits 255 "no sftp then" timeout 60 sftp "${OPTIONS[@]}" -o CertificateFile=user-cert.pub -i user -P "$PORT" -b /dev/null "alice@$HOST"
sign user -n alice -O force-command=internal-sftp
ok "force-command=internal-sftp: sftp" timeout 60 sftp "${OPTIONS[@]}" -o CertificateFile=user-cert.pub -i user -P "$PORT" -b <(echo ls) "alice@$HOST"
like "$out" one "works"
timeout 10 ssh "${OPTIONS[@]}" -o CertificateFile=user-cert.pub -i user -p "$PORT" "alice@$HOST" start one </dev/null >asked 2>&1
is "$(<asked)" 'the key of this connection is for SFTP alone (command="internal-sftp")' "and nothing else is run"
state_is one offline && pass "not even asked for" || fail "not even asked for"
sign user -n alice -O clear
run by user -tt alice@$HOST whoami
like "$out$err" "PTY allocation request failed" "without permit-pty there is no terminal"
exits 0 "but all else" by user alice@$HOST whoami
sign user -n alice
run by user -tt alice@$HOST whoami
unlike "$out$err" "PTY allocation" "with it there is"
sign admin -n alice
cat admin.pub >mine
ok "a certificate's session may set own keys" timeout 60 sftp "${OPTIONS[@]}" -o CertificateFile=admin-cert.pub -i admin -P "$PORT" -b <(echo "put mine /.ssh/authorized_keys") "alice@$HOST"
timeout 60 sftp "${OPTIONS[@]}" -i "$KEY" -P "$PORT" -b <(echo "get /.ssh/authorized_keys shown") "alice@$HOST" >/dev/null
like "$(<shown)" "$(cut -d' ' -f2 admin.pub | sed 's/[+]/[+]/g')" "that are there then"

# --- the end of a session --------------------------------------------------------------------------------------------------------------------------------

# open_by KEY: a connection that stays, its pid in $LIVE; closed_within MS: it ended so many ms after $SINCE at most
open_by() {
    local before; before=$(grep -c 'Accepted publickey' "$LOG")
    ssh "${OPTIONS[@]}" -o CertificateFile="$SCRATCH/$1-cert.pub" -i "$SCRATCH/$1" -p "$PORT" -N "alice@$HOST" >"$SCRATCH/live" 2>&1 & LIVE=$!
    wait_until 20 more_accepted "$before" || fail "no connection by $1: $(<"$SCRATCH/live")"
}
more_accepted() { [ "$(grep -c 'Accepted publickey' "$LOG")" -gt "$1" ]; }
now_ms() { date +%s%3N; }
is_gone() { ! alive $LIVE; }
ended() {
    local since=$1 what=$2 took
    if wait_until 20 is_gone; then took=$(($(now_ms) - since)); atmost "$took" 1000 "$what: its session is closed within 1 s"; else fail "$what: its session goes on"; kill $LIVE; fi
    wait $LIVE 2>/dev/null
}
sign user -n alice -V "-1m:+6s"
open_by user
# Seconds are what it is written in: it ends with one.
end=$(($(python3 - user-cert.pub <<'PY'
import base64, struct, sys
b = base64.b64decode(open(sys.argv[1]).read().split()[1])
at = 0
def string():
    global at
    n = struct.unpack(">I", b[at:at + 4])[0]
    at += 4 + n
string(), string(), string()
at += 12
string(), string()
at += 8
print(struct.unpack(">Q", b[at:at + 8])[0])
PY
) * 1000))
atleast "$end" "$(now_ms)" "(the certificate is still valid)"
ok "before its end it is open" alive $LIVE
wait_until 20 is_gone
took=$(($(now_ms) - end))
atleast "$took" 0 "it lasts until its end"
atmost "$took" 1000 "and not a second longer"
like "$(<live)" "the certificate is not valid any more: expired" "the client is told"
wait $LIVE

# A revocation, each way there is; the same lines are what ssh-keygen -k takes.
# revoke LINE WHAT: for the session that is open
revoke() {
    local line=$1 what=$2 since
    ssh-keygen -q -k -s ca.pub -f krl <(printf '%s\n' "$line") || fail "ssh-keygen does not take '$line'"
    printf '# %s\n\n%s\n' "$what" "$line" >revoked
    since=$(now_ms)
    ok "$what: reload" reload
    like "$out" "1 session closed" "$what: is said"
    ended "$since" "$what"
    refused "$what: again" revoked by user alice@$HOST true
    : >revoked
    ok "$what: taken back" reload
    exits 0 "$what: lets in again" by user alice@$HOST true
}
for what in serial range hex id key sha256 hash plain; do
    sign user -n alice
    open_by user
    case $what in
    serial) revoke "serial: $SERIAL" $what ;;
    range) revoke "serial: $((SERIAL - 1))-$((SERIAL + 9))" $what ;;
    hex) revoke "$(printf 'serial: 0x%x' $SERIAL)" $what ;;
    id) revoke "id: user@laptop" $what ;;
    key) revoke "key: $(<user.pub)" $what ;;
    sha256) revoke "sha256: $(<user.pub)" $what ;;
    hash) revoke "hash: $(ssh-keygen -l -f user.pub | cut -d' ' -f2)" $what ;;
    plain) revoke "$(<user.pub)" $what ;;
    esac
done
sign user -n alice
open_by user
printf 'serial: %s\nserial: %s-%s\nid: user@laptops\nid: user\n%s\n' $((SERIAL + 1)) 1 $((SERIAL - 1)) "$(<admin.pub)" >revoked
ok "what is near" reload
ok "does not close it" alive $LIVE
exits 0 "nor refuse" by user alice@$HOST true
# In the middle of a transfer.
head -c 20M /dev/zero >big
sftp -l 4000 "${OPTIONS[@]}" -o CertificateFile=user-cert.pub -i user -P "$PORT" -b <(echo "put big /one/big") "alice@$HOST" >live 2>&1 & LIVE=$!
size_of() { stat -c %s "$PREFIX/state/servers/one/$1" 2>/dev/null || echo 0; }
under_way() { [ "$(size_of big)" -gt 100000 ]; }
wait_until 20 under_way || fail "no transfer: $(<live)"
since=$(now_ms)
echo "serial: $SERIAL" >revoked
reload >/dev/null
ended "$since" "a transfer under way"
size=$(size_of big)
atmost "$size" $((19 << 20)) "it was not done"
sleep 1
is "$(size_of big)" "$size" "and nothing goes on being written"
# The CA itself, and a key that is in no certificate.
since=$(now_ms)
cat ca.pub >revoked
reload >/dev/null
ended "$since" "the CA revoked"
refused "of a revoked CA" revoked by user alice@$HOST true
: >revoked; reload >/dev/null
ssh -F "$SSH_CONFIG" -N alice >live 2>&1 & LIVE=$!
wait_until 20 eval 'hf alice sessions >/dev/null 2>&1; [ "$(grep -c "Accepted publickey" "$LOG")" -gt 0 ]'
sleep 1
since=$(now_ms)
cat "$KEY.pub" >revoked
reload >/dev/null
ended "$since" "an account's own key revoked"
exits 255 "which logs in no more" hf alice true
ok "and the log says why" logged "Authentication key ED25519 $(print_of "$KEY.pub") revoked: for alice"
: >revoked; reload >/dev/null
exits 0 "until it is taken back" hf alice true

# A store that dies: the session goes on, with what its certificate allows.
sign user -n alice -O force-command='status one --json' -V -1m:+1h
ssh -o ControlMaster=yes -o ControlPath="$SCRATCH/mux" "${OPTIONS[@]}" -o CertificateFile=user-cert.pub -i user -p "$PORT" -N "alice@$HOST" >live 2>&1 & LIVE=$!
wait_until 20 test -S mux || fail "no connection"
old=$(store_pid)
kill -9 "$old"
new_store() { local p; p=$(store_pid); [ -n "$p" ] && [ "$p" != "$old" ] && hf alice true; }
wait_until 30 new_store || fail "no new store"
exits 3 "after a death of the store its session is there" timeout 30 ssh -F none -o ControlPath="$SCRATCH/mux" "alice@$HOST" kill one
like "$out" '"server":"one"' "held to its command"
since=$(now_ms)
echo "serial: $SERIAL" >revoked
ok "a reload that revokes it" reload
ended "$since" "after a death of the store, revoked"
: >revoked
# A CA that goes.
sign user -n alice
reload >/dev/null
open_by user
since=$(now_ms)
cat other_ca.pub >ca_keys
reload >/dev/null
ended "$since" "the CA taken out"
refused "of a CA that went" "signed by an unknown CA" by user alice@$HOST true
CA=other_ca sign user -n alice
exits 0 "of the one that came" by user alice@$HOST true
cat ca.pub >>ca_keys
sed -i "s|^ca_keys_file.*|&\nca_key = $(<ca.pub)|" "$INI"
ok "a CA in the ini file itself" reload
like "$out" "1 list of .auth. changed" "is said"
CA=ca sign user -n alice
exits 0 "does as well" by user alice@$HOST true

# --- what is wrong in the files ---------------------------------------------------------------------------------------------------------------------------

wrong() {
    local what=$1 words=$2
    nok "$what: reload is refused" reload
    like "$out$err" "$words" "$what: with words"
}
cp ca_keys ca_keys.good
cat ecdsa_ca.pub >>ca_keys
wrong "a CA of another kind" "ca_keys:3: bad value .* of .ca_key.: signatures of other CAs than ssh-ed25519 cannot be verified; allowed: key of a CA, ssh-ed25519 BASE64"
{ cat ca_keys.good; echo "rubbish"; } >ca_keys
wrong "no key" "ca_keys:3: bad value .rubbish. of .ca_key.: signatures of other CAs"
cp ca_keys.good ca_keys
ssh-keygen -q -k -s ca.pub -f revoked <(echo "serial: 1")
wrong "a binary list" "revoked is a binary revocation list; allowed: the text"
while IFS='|' read -r line words; do
    echo "$line" >revoked
    wrong "'$line'" "\[auth\] revoked: line 1: $words"
done <<'LINES'
serial: 0|serial: '0'; allowed: N or N-M
serial: 9-3|serial: '9-3'
serial: x|serial: 'x'
serial: 18446744073709551616|serial: '18446744073709551616'
id:|id: no text
hash: MD5:00|hash: 'MD5:00'; allowed: SHA256
sha1: ssh-ed25519 AAAA|revoked: 'sha1:' is not known; allowed: a public key, serial
key: ssh-ed25519 AAAA|ssh-ed25519
rubbish|key type: 'rubbish' is not known
LINES
cat user-cert.pub >revoked
wrong "a certificate" "a certificate; name its serial, its id or its key"
: >revoked
rm revoked
wrong "no file" "revoked"
: >revoked
chmod 0666 revoked
wrong "a file that others write" "not writable by group or others"
chmod 0600 revoked
for i in {1..3000}; do echo "id: some rather long name of a laptop $i"; done >revoked
wrong "a list too long" "\[auth\] has [0-9]* bytes of CA keys and revocations; allowed: 49152"
: >revoked
ok "all as before" reload
exits 0 "goes on working" by user alice@$HOST true

done_testing
