#!/bin/bash
# Hardware keys, with stock OpenSSH and a key made of software (t/lib/sk.c) that signs with or without a touch as it is told.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need cc
scratch
SK=$SCRATCH/sk.so
cc -O1 -shared -fPIC -o "$SK" "$HERE/t/lib/sk.c" -lcrypto >"$SCRATCH/cc" 2>&1 || skip_all "t/lib/sk.c cannot be built: $(head -c 200 "$SCRATCH/cc")"
for k in ed25519 ecdsa other; do
    ssh-keygen -q -t "${k/other/ed25519}-sk" -w "$SK" -N '' -C "$k" -f "$SCRATCH/$k" || bail "no key of kind $k"
done
ssh-keygen -q -t ed25519-sk -O application=ssh:elsewhere -w "$SK" -N '' -C app -f "$SCRATCH/app"
ssh-keygen -q -t ed25519 -N '' -C plain -f "$SCRATCH/plain"
ssh-keygen -q -t ed25519 -N '' -C ca -f "$SCRATCH/ca"
cat >"$SCRATCH/sk.ini" <<INI
[limits]
penalty_auth = 0s
penalty_noauth = 0s
auth_tries = 1000
[auth]
ca_key = $(<"$SCRATCH/ca.pub")
[account alice]
key = $(<"$SCRATCH/plain.pub")
keys_file = $SCRATCH/sk.keys
INI
cat "$SCRATCH"/{ed25519,ecdsa,app}.pub >"$SCRATCH/sk.keys"
chmod 0600 "$SCRATCH/sk.keys"
rig_up --ini "$SCRATCH/sk.ini"

# as FLAGS KEY [OPTION...]: what the authenticator signs of its person, in hexadecimal
as() {
    local flags=$1 key=$2; shift 2
    SK_FLAGS=$flags timeout 60 ssh -F none -o SecurityKeyProvider="$SK" -o IdentitiesOnly=yes -o IdentityAgent=none \
        -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes -o ControlPath=none \
        -o ConnectTimeout=20 -i "$SCRATCH/$key" -p "$PORT" "$@" "alice@$HOST" whoami
}
print_of() { ssh-keygen -l -f "$SCRATCH/$1" | cut -d' ' -f2; }

# --- keys of an account ---------------------------------------------------------------------------------------------------------------------------

for k in ed25519 ecdsa app; do
    word=${k/app/ed25519}
    exits 0 "$k: touched" as 1 $k
    like "$out" alice "logs in"
    ok "is logged as a hardware key" logged "Accepted publickey for alice from 127.0.0.1 port [0-9]* ssh2: ${word^^}-SK $(print_of $k.pub | sed 's/[+]/[+]/g')"
    exits 0 "$k: touched and verified" as 5 $k
    exits 255 "$k: not touched" as 0 $k
    like "$err" "the key has to be touched, and its signature says that it was not" "is told"
    ok "and logged" logged "public key ${word^^}-SK SHA256:[^ ]* signature for alice from 127.0.0.1 port [0-9]* rejected: the key has to be touched"
    ok "as a failure" logged "Failed publickey for alice from 127.0.0.1 port [0-9]* ssh2: ${word^^}-SK"
    exits 255 "$k: verified but not touched" as 4 $k
    exits 255 "$k: every flag but the touch" as fe $k
done
exits 255 "another hardware key" as 1 other
exits 0 "a key in a file needs no touch" as 0 plain

# One connection, a key that is touched and then one that is not: what the first proved is not the second's.
SK_FLAGS=0 timeout 60 python3 "$HERE/t/lib/sk_two.py" "$HOST" "$PORT" "$SCRATCH" >"$SCRATCH/two" 2>&1
is "$(<"$SCRATCH/two")" "denied" "a touch counts for one signature alone"

# --- certificates -----------------------------------------------------------------------------------------------------------------------------------

# certify KEY [OPTION...]
certify() { local k=$1; shift; ssh-keygen -q -s "$SCRATCH/ca" -I "$k" -n alice "$@" "$SCRATCH/$k.pub" || fail "ssh-keygen -s"; }
cert() { as "$1" other -o CertificateFile="$SCRATCH/other-cert.pub"; }
certify other
exits 0 "a certificate of a hardware key: touched" cert 1
ok "is logged so" logged "Accepted publickey for alice from .* ssh2: ED25519-SK-CERT SHA256:[^ ]* ID other [(]serial 0[)] CA ED25519 SHA256:"
exits 255 "not touched" cert 0
certify other -O no-touch-required
exits 0 "no-touch-required: not touched" cert 0
certify other -O verify-required
exits 255 "verify-required: touched" cert 1
like "$err" "the key has to verify who uses it" "is told"
exits 0 "verify-required: touched and verified" cert 5
exits 255 "verify-required: verified, not touched" cert 4
certify other -O verify-required -O no-touch-required
exits 0 "both options: verified, not touched" cert 4
exits 255 "both options: touched, not verified" cert 1
certify plain -O verify-required
exits 255 "verify-required of a key in a file never does" as 0 plain -o CertificateFile="$SCRATCH/plain-cert.pub" -o IdentityFile=none
certify plain
exits 0 "which does without" as 0 plain -o CertificateFile="$SCRATCH/plain-cert.pub"

done_testing
