#!/bin/bash
# Who gets in, who does not, and what each try costs.  Every section comes from a loopback address of its own, as penalties go by source.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
for k in eve mallory stranger gone few; do ssh-keygen -q -t ed25519 -N '' -C "$k" -f "$SCRATCH/$k"; done
ssh-keygen -q -t rsa -b 3072 -N '' -f "$SCRATCH/rsa"
ssh-keygen -q -t ecdsa -N '' -f "$SCRATCH/ecdsa"
cat >"$SCRATCH/auth.ini" <<EOF
[limits]
login_grace = 3s
penalty_auth = 5s
penalty_min = 15s
[account eve]
password = yes
key = $(cat "$SCRATCH/eve.pub")
key = $(cat "$SCRATCH/ecdsa.pub")
[account mallory]
password = no
key = $(cat "$SCRATCH/mallory.pub")
[account gone]
suspended = yes
key = $(cat "$SCRATCH/gone.pub")
[account few]
max_connections = 2
key = $(cat "$SCRATCH/few.pub")
[account longkeys]
keys_file = $SCRATCH/rsa.pub
EOF
chmod 0600 "$SCRATCH/rsa.pub"
rig_up --ini "$SCRATCH/auth.ini" || exit 1
with() { local who=$1 key=$2 from=$3; shift 3; timeout 60 ssh -F none -p "$PORT" -l "$who" -i "$key" -b "$from" -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes \
    -o LogLevel=ERROR -o ControlPath=none -o ConnectTimeout=10 "$HOST" "$@"; }

# --- keys -------------------------------------------------------------------------------------------------------------------------------

exits 0 "an ed25519 key" with eve "$SCRATCH/eve" 127.0.1.1 whoami
like "$out" eve "logs its account in"
exits 0 "an ecdsa key" with eve "$SCRATCH/ecdsa" 127.0.1.1 true
exits 0 "an rsa key out of keys_file" with longkeys "$SCRATCH/rsa" 127.0.1.1 true
exits 255 "a stranger's key" with eve "$SCRATCH/stranger" 127.0.1.2 true
like "$err" 'Permission denied \(publickey' "is denied"
known=$err
exits 255 "another account's key" with eve "$SCRATCH/mallory" 127.0.1.3 true
exits 255 "an unknown account" with nobodyhere "$SCRATCH/stranger" 127.0.1.4 true
is "${err/nobodyhere/eve}" "$known" "is answered as a known one"
exits 255 "a suspended account" with gone "$SCRATCH/gone" 127.0.1.5 true
exits 255 "an account name that is none" with "../etc" "$SCRATCH/eve" 127.0.1.6 true
exits 255 "nor one of 10,000 letters" with "$(printf 'a%.0s' {1..10000})" "$SCRATCH/eve" 127.0.1.6 true
exits 0 "ACCOUNT+SERVER, a command" with alice+one "$KEY" 127.0.1.1 quota --json
is "$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["server"])' "$out")" one "is about that server"
within() { sftp -F "$SSH_CONFIG" -o User="$1" -o BindAddress=127.0.1.7 -b - alice 2>&1 | grep -v '^sftp>'; }
put alice "$SCRATCH/auth.ini" /one/here.ini
is "$(within alice+one <<<'ls -1 /')" "/here.ini" "ACCOUNT+SERVER, sftp: / is the server's folder"
unlike "$(within alice+three <<<'ls -1 /')" '^/' "never another's"
exits 77 "nor a command about it" with alice+three "$KEY" 127.0.1.7 quota

# --- passwords ----------------------------------------------------------------------------------------------------------------------------

passwd() { printf '%s\n' "$2" | timeout 20 "$TOOL" --run "$RUN" account passwd "$1"; }
ok "the admin sets a password" passwd eve 'right horse'
ok "and one for an account with password = no" passwd mallory 'right horse'
nok "but none for an unknown account" passwd nobodyhere x
by_password() { local who=$1 word=$2 from=$3; shift 3; SSHPASS=$word timeout 60 sshpass -e ssh -F none -p "$PORT" -l "$who" -b "$from" -o PubkeyAuthentication=no \
    -o PreferredAuthentications=password,keyboard-interactive -o NumberOfPasswordPrompts=1 -o UserKnownHostsFile="$KNOWN_HOSTS" \
    -o StrictHostKeyChecking=yes -o LogLevel=ERROR "$HOST" "$@"; }
if command -v sshpass >/dev/null; then
    exits 0 "the right password" by_password eve 'right horse' 127.0.2.1 whoami
    like "$out" eve "logs in"
    isnt "$(by_password eve 'wrong horse' 127.0.2.2 true 2>&1; echo $?)" 0 "the wrong one does not"
    isnt "$(by_password mallory 'right horse' 127.0.2.3 true 2>&1; echo $?)" 0 "nor the right one with password = no"
    isnt "$(by_password alice '' 127.0.2.4 true 2>&1; echo $?)" 0 "nor an empty one"
    isnt "$(by_password nobodyhere 'right horse' 127.0.2.5 true 2>&1; echo $?)" 0 "nor an unknown account"
else
    skip "passwords" "sshpass is not installed"
fi
unlike "$(grep -c 'right horse\|wrong horse' "$LOG")" '[1-9]' "no password in the log"
unlike "$(grep -rlas 'right horse' "$PREFIX/state" 2>/dev/null | head -n 3)" '.' "nor in the store"
timeout 100 python3 "$HERE/t/lib/paramiko_auth.py" "$HOST" "$PORT" "$KEY" "$SCRATCH" >"$SCRATCH/results" 2>&1
is $? 0 "paramiko's script ran to its end"
import_results "$SCRATCH/results" ""

# --- budgets ------------------------------------------------------------------------------------------------------------------------------

many=()
for i in $(seq 24); do ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/k$i"; many+=(-i "$SCRATCH/k$i"); done
offer() { local n=$1 from=$2; shift 2; timeout 60 ssh -F none -p "$PORT" -l eve "${many[@]:0:$((n * 2))}" -i "$SCRATCH/eve" -b "$from" -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR "$HOST" true; }
exits 0 "the right key after 15 others" offer 15 127.0.3.1
exits 0 "costs nothing: again" offer 15 127.0.3.1
exits 255 "after 22 others it is too late" offer 22 127.0.3.2
exits 255 "and the source has to cool down, even with the right key" with eve "$SCRATCH/eve" 127.0.3.2 true
for i in 1 2 3 4 5; do by_password eve "wrong $i" 127.0.3.3 true >/dev/null 2>&1; done
exits 255 "after five failures the source is refused, even with the right key" with eve "$SCRATCH/eve" 127.0.3.3 true
unlike "$err" 'Permission denied' "before it is asked"
exits 0 "other sources are not" with eve "$SCRATCH/eve" 127.0.3.4 true
timeout 30 python3 - "$HOST" "$PORT" "$SCRATCH/few" >"$SCRATCH/results" <<'E2'
import paramiko, sys, logging
logging.disable(logging.CRITICAL)
open_ones = []
def one():
    c = paramiko.SSHClient(); c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    c.connect(sys.argv[1], int(sys.argv[2]), "few", key_filename=sys.argv[3], allow_agent=False, look_for_keys=False, timeout=10)
    c.open_sftp(); open_ones.append(c)
try:
    one(); one(); print("ok two connections of an account with max_connections = 2")
except Exception as e: print("not ok two connections of an account with max_connections = 2"); print(repr(e))
try: one(); print("not ok the third is refused")
except Exception as e: print("ok the third is refused")
open_ones.pop().close()
import time
for _ in range(50):
    try: one(); print("ok one gone, one in"); break
    except Exception: time.sleep(0.1)
else: print("not ok one gone, one in")
for c in open_ones: c.close()
E2
import_results "$SCRATCH/results" ""
timeout 60 python3 - "$HOST" "$PORT" >"$SCRATCH/results" <<'E2'
import socket, sys, time
to = (sys.argv[1], int(sys.argv[2]))
def say(good, words): print(("ok " if good else "not ok ") + words)
s = socket.create_connection(to, 5, ("127.0.5.1", 0)); start = time.monotonic(); s.settimeout(15)
got = s.recv(300)
say(got.startswith(b"SSH-2.0-"), "the banner is SSH 2.0: %r" % got[:60])
say(b"\n" in got and b"0.1" not in got, "and names no version of ours")
try:
    while s.recv(4096): pass
except OSError: pass
took = time.monotonic() - start
say(2 < took < 6, "who does not log in is put out after login_grace (%.1f s)" % took)
socks = []
refused = 0
for i in range(40):
    try:
        c = socket.create_connection(to, 5, ("127.0.5.2", 0)); c.settimeout(1); c.send(b"SSH-2.0-x\r\n")
        if b"not logged in, try again" in c.recv(400): refused += 1
        socks.append(c)
    except OSError: refused += 1
say(refused >= 15, "of 40 connections not logged in from one source, 20 at most stay (%d refused)" % refused)
def gets_in():   # random early drop is at work: a few tries
    for _ in range(20):
        try:
            c = socket.create_connection(to, 5, ("127.0.5.3", 0)); c.settimeout(3)
            if b"try again" not in c.recv(400): return True
        except OSError: pass
say(gets_in(), "another source gets in beside them")
for c in socks: c.close()
for junk in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 4000, b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n" + b"\xff" * 40000, b"A" * 100000):
    try:
        c = socket.create_connection(to, 5, ("127.0.5.4", 0)); c.settimeout(5); c.sendall(junk)
        while c.recv(4096): pass
    except OSError: pass
c = socket.create_connection(to, 5, ("127.0.5.5", 0)); c.settimeout(3)
say(c.recv(8).startswith(b"SSH-"), "junk harms nobody else")
E2
import_results "$SCRATCH/results" ""
ok "the daemon is up" daemon_up

# --- forwarding and its like ------------------------------------------------------------------------------------------------------------

local_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${SSH[@]}" -N -L "127.0.0.1:$local_port:127.0.0.1:$PORT" alice >/dev/null 2>"$SCRATCH/L" & forward=$!
wait_until 5 bash -c "ss -Hltn 'sport = :$local_port' | grep -q ."
is "$(timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$local_port; head -c 4 <&3" 2>/dev/null)" "" "no local forwarding"
kill $forward 2>/dev/null; wait $forward 2>/dev/null
exits 255 "no remote forwarding" "${SSH[@]}" -o ExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:22 alice true
is "$(printf x | timeout 10 "${SSH[@]}" -W 127.0.0.1:$PORT alice 2>/dev/null | head -c 4)" "" "no -W"
isnt "$("${SSH[@]}" -s alice netconf </dev/null >/dev/null 2>&1; echo $?)" 0 "no subsystem but sftp"
exits 0 "what is asked of the environment is ignored" env LC_ALL=C "${SSH[@]}" -o SendEnv=LC_ALL -o SetEnv=LD_PRELOAD=/x alice true
exits 0 "agent and X11 forwarding are refused, the command runs" "${SSH[@]}" -A -X alice true

# --- algorithms ---------------------------------------------------------------------------------------------------------------------------

timeout 90 python3 -B "$HERE/t/lib/strict_kex.py" "$HOST" "$PORT" >"$SCRATCH/results" 2>&1
is $? 0 "the script of key exchanges ran to its end"
import_results "$SCRATCH/results" ""
exits 0 "a client that would like compression goes without" "${SSH[@]}" -C alice true
if command -v ssh-audit >/dev/null; then
    timeout 60 ssh-audit -n -p "$PORT" "$HOST" >"$SCRATCH/audit" 2>&1
    is "$(grep -c '\[fail\]' "$SCRATCH/audit")" 0 "ssh-audit without a fail"
    # The marker of strict key exchange is newer than Debian's ssh-audit.
    is "$(grep '\[warn\]' "$SCRATCH/audit" | grep -vcE '^\(mac\) hmac-sha2-(256|512) |kex-strict-s-v00')" 0 "and its warnings are of the plain MACs"
    grep '\[fail\]\|\[warn\]' "$SCRATCH/audit" | head -n 10 | while read -r l; do diag "$l"; done
    like "$(<"$SCRATCH/audit")" 'ssh-ed25519' "ssh-audit has seen the server"
    unlike "$(grep '^(kex)' "$SCRATCH/audit")" 'group-exchange|sha1' "no group exchange, no SHA-1"
else
    skip "ssh-audit" "not installed"
fi
for c in aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes256-ctr; do
    exits 0 "cipher $c" "${SSH[@]}" -c $c alice true
done
# The last two for libssh2 (curl) before 1.11, which knows no others.
for m in hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com hmac-sha2-256 hmac-sha2-512; do
    exits 0 "mac $m" "${SSH[@]}" -c aes256-ctr -m $m alice true
done
for c in aes128-cbc 3des-cbc; do exits 255 "not $c" "${SSH[@]}" -c $c alice true; done
exits 255 "not hmac-sha1" "${SSH[@]}" -c aes256-ctr -m hmac-sha1 alice true
head -c 20M /dev/urandom >"$SCRATCH/rekeyed"
ok "rekeying in the middle of a transfer" timeout 120 sftp -F "$SSH_CONFIG" -o RekeyLimit=1M -b <(printf 'put %s /one/rekeyed\nget /one/rekeyed %s\n' "$SCRATCH/rekeyed" "$SCRATCH/rekeyed.back") alice
ok "leaves it whole" cmp "$SCRATCH/rekeyed" "$SCRATCH/rekeyed.back"
for t in ed25519 rsa; do
    f=$CONFIG/ssh_host_${t}_key
    is "$(stat -c '%a %u' "$f" 2>/dev/null)" "600 0" "the $t host key is root's alone"
done
like "$(ssh-keygen -l -f "$CONFIG/ssh_host_rsa_key" 2>/dev/null)" '^3072 ' "the RSA one has 3072 bits"
exits 0 "the RSA host key works" "${SSH[@]}" -o HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256 alice true
done_testing
