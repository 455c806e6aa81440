#!/bin/bash
# The second factor and passwd with stock clients, and with clients that are none.  Wrong codes cost a source as wrong passwords do, so each section has
# an address of its own.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need sshpass
scratch
for k in eve dora limited ca; do ssh-keygen -q -t ed25519 -N '' -C "$k" -f "$SCRATCH/$k"; done
cp "$SCRATCH/ca.pub" "$SCRATCH/ca_keys"
chmod 0600 "$SCRATCH/ca_keys"
cat >"$SCRATCH/totp.ini" <<E2
[auth]
ca_keys_file = $SCRATCH/ca_keys
[limits]
login_grace = 20s
[account eve]
second_factor = totp
password = yes
key = $(<"$SCRATCH/eve.pub")
[account dora]
password = yes
key = $(<"$SCRATCH/dora.pub")
key = rights="status" $(<"$SCRATCH/limited.pub")
[server four]
owner = eve
command = ./run
E2
rig_up --ini "$SCRATCH/totp.ini" || exit 1
cd "$SCRATCH" || exit 1
OPTIONS=(-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null
    -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o PreferredAuthentications=publickey,keyboard-interactive)
code() { python3 "$HERE/t/lib/totp_code.py" "$@"; }
# Not at the end of a step: what follows sees one clock.
fresh_step() { while [ $(($(date +%s) % 30)) -gt 15 ]; do sleep 0.5; done; }
next_step() { local was=$(($(date +%s) / 30)); while [ $(($(date +%s) / 30)) = $was ]; do sleep 0.2; done; }
# WHO FROM COMMAND...: with the key alone, nobody to ask
with_key() { local who=$1 from=$2; shift 2; timeout 60 ssh "${OPTIONS[@]}" -o BatchMode=yes -o LogLevel=ERROR -p "$PORT" -i "$SCRATCH/$who" -b "$from" "$who@$HOST" "$@"; }
# WHO FROM CODE COMMAND...: and with a code, asked for by SSH_ASKPASS
cat >askpass <<'E2'
#!/bin/sh
echo "$1" >>"$(dirname "$0")/prompts"
cat "$(dirname "$0")/code"
E2
chmod 0755 askpass
with_code() {
    local who=$1 from=$2; echo "$3" >code; : >prompts; shift 3
    SSH_ASKPASS=$SCRATCH/askpass SSH_ASKPASS_REQUIRE=force timeout 60 ssh "${OPTIONS[@]}" -o NumberOfPasswordPrompts=1 -p "$PORT" -i "$SCRATCH/$who" -b "$from" "$who@$HOST" "$@"
}
# KEY WHO FROM CODE COMMAND...: with another of WHO's keys, or a certificate
with_code_of() { local k=$1; shift; cp "$k" of; rm -f of-cert.pub; [ ! -e "$k-cert.pub" ] || cp "$k-cert.pub" of-cert.pub
    local who=$1 from=$2; echo "$3" >code; : >prompts; shift 3
    SSH_ASKPASS=$SCRATCH/askpass SSH_ASKPASS_REQUIRE=force timeout 60 ssh "${OPTIONS[@]}" -o NumberOfPasswordPrompts=1 -p "$PORT" -i of -b "$from" "$who@$HOST" "$@"
}
tool() { timeout 30 "$TOOL" --run "$RUN" "$@"; }

# --- setting it up ------------------------------------------------------------------------------------------------------------------------------

exits 0 "a demanded second factor: with the key, whoami" with_key eve 127.0.20.1 whoami
like "$out" "second factor is to be set up: 'totp enroll'" "says what to do"
unlike "$out" four "and shows no server"
for c in status "start four" passwd "df" "md5sum" "" "totp codes 123456" nonsense; do
    exits 77 "not '$c'" with_key eve 127.0.20.1 "$c"
    like "$err" "run 'totp enroll'" "with words how to set it up"
done
exits 0 "help is given" with_key eve 127.0.20.1 help totp
like "$(tr '\n' ' ' <<<"$out")" "usage: totp enroll .*usage: totp verify CODE" "of its verbs"
nok "no SFTP" sftp "${OPTIONS[@]}" -o BatchMode=yes -o BindAddress=127.0.20.1 -i eve -P "$PORT" "eve@$HOST" </dev/null
run sftp "${OPTIONS[@]}" -o BatchMode=yes -o BindAddress=127.0.20.1 -i eve -P "$PORT" "eve@$HOST"
like "$err" "run 'totp enroll'" "which says why"
printf 'a password 1\n' | tool account passwd eve >/dev/null
run timeout 60 sshpass -p 'a password 1' ssh -F none -o PubkeyAuthentication=no -o UserKnownHostsFile="$KNOWN_HOSTS" -b 127.0.20.2 -p "$PORT" "eve@$HOST" whoami
isnt $rc 0 "not with the password alone"
like "$err" "log in with a key and run 'totp enroll' first" "which says why"

exits 0 "totp enroll" with_key eve 127.0.20.1 totp enroll
like "$out" '^otpauth://totp/holdfast:eve\?secret=[A-Z2-7]{32}&issuer=holdfast&algorithm=SHA1&digits=6&period=30' "an otpauth URI"
unlike "$out" $'\xe2\x96' "without a terminal no picture"
exits 0 "totp enroll --json" with_key eve 127.0.20.1 totp enroll --json
is "$(python3 -c 'import json,sys; d = json.loads(sys.argv[1]); print(sorted(d), d["secret"] in d["uri"])' "$out")" "['secret', 'uri'] True" "as one object"
exits 0 "totp enroll --qr" with_key eve 127.0.20.1 totp enroll --qr
printf '%s\n' "$out" >qr
SECRET=$(sed -n 's/^secret //p' qr | tr -d ' ')
is ${#SECRET} 32 "the secret stands there as well"
if command -v zbarimg >/dev/null; then
    python3 - qr >qr.pgm <<'E2'
import sys
rows = [line for line in open(sys.argv[1], encoding="utf8").read().split("\n") if line and all(c in " \u2580\u2584\u2588" for c in line)]
bits = []
for line in rows:
    bits.append([c in "\u2580\u2588" for c in line])
    bits.append([c in "\u2584\u2588" for c in line])
w, scale = len(bits[0]), 6
print(f"P2 {w * scale} {len(bits) * scale} 255")
for row in bits:
    for _ in range(scale):
        print(" ".join(("255 " if b else "0 ") * scale for b in row))
E2
    is "$(zbarimg -q --raw qr.pgm 2>/dev/null)" "$(grep otpauth qr)" "a reader sees the URI in the picture"
else
    skip "a reader sees the URI in the picture" "zbarimg is not installed"
fi
exits 1 "totp verify with a wrong code" with_key eve 127.0.20.1 totp verify 000000
exits 2 "without any" with_key eve 127.0.20.1 totp verify
fresh_step
exits 0 "totp verify" with_key eve 127.0.20.1 totp verify "$(code "$SECRET" -1)"
mapfile -t recovery <<<"$out"
is "${#recovery[@]} $(grep -cE '^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$' <<<"$out")" "10 10" "prints ten recovery codes"

# --- logging in ---------------------------------------------------------------------------------------------------------------------------------

exits 255 "the key alone is not enough any more" with_key eve 127.0.20.3 whoami
like "$err" 'Permission denied \(keyboard-interactive\)' "a code is what is left"
c=$(code "$SECRET")
exits 0 "key and code" with_code eve 127.0.20.3 "$c" whoami
like "$out" 'logged in by publickey SHA256:.* and a code' "are in"
like "$(<prompts)" "Verification code: $" "asked for as such"
like "$out" 'server four' "and see what is theirs"
exits 255 "the same code again" with_code eve 127.0.20.4 "$c" whoami
exits 0 "a recovery code" with_code eve 127.0.20.3 "${recovery[9]}" true
like "$err" "a recovery code was used: 9 recovery codes left" "tells how many are left"
exits 255 "works once" with_code eve 127.0.20.4 "${recovery[9]}" true
run timeout 60 python3 "$HERE/t/lib/totp_terminal.py" "password: " 'a password 1' "Verification code: " "$(code "$SECRET" 1)" -- \
    ssh -F none -o PubkeyAuthentication=no -o UserKnownHostsFile="$KNOWN_HOSTS" -b 127.0.20.3 -p "$PORT" "eve@$HOST" whoami
is $rc 0 "password and code, on a terminal"
like "$out" 'logged in by password and a code' "are in"
printf 'ls -1\n' >batch.txt
echo "${recovery[8]}" >code
exits 0 "sftp asks for it too" env SSH_ASKPASS="$SCRATCH/askpass" SSH_ASKPASS_REQUIRE=force sftp "${OPTIONS[@]}" -o BatchMode=no -o BindAddress=127.0.20.3 \
    -i eve -P "$PORT" -b batch.txt -o BatchMode=no "eve@$HOST"
diag "sftp: rc=$rc $(tail -n 1 <<<"$out")"
if command -v rclone >/dev/null; then
    run timeout 60 rclone --config /dev/null lsd ":sftp,host=$HOST,port=$PORT,user=eve,key_file=$SCRATCH/eve,shell_type=none:" --low-level-retries 1 --retries 1 --contimeout 10s
    isnt $rc 0 "rclone, which answers no prompt, does not get in"
    diag "rclone: $(tail -n 1 <<<"$err" | cut -c1-160)"
    tool reload >/dev/null
fi
if command -v lftp >/dev/null; then
    run timeout 60 lftp -e "set net:max-retries 1; set net:timeout 10; set sftp:connect-program 'ssh -a -x ${OPTIONS[*]} -b 127.0.20.5 -i $SCRATCH/eve'; ls; exit" "sftp://eve:x@$HOST:$PORT"
    isnt $rc 0 "lftp, which gives its password for a code, does not get in"
    diag "lftp: rc=$rc $(tail -n 1 <<<"$err" | cut -c1-160)"
fi
log=$(<"$LOG")
like "$log" "Partial publickey for eve from 127.0.20.3 port [0-9]+ ssh2: ED25519 SHA256:" "the log has both steps" 
like "$log" "Accepted keyboard-interactive/totp for eve from 127.0.20.3" "in OpenSSH's wording"
like "$log" "Failed keyboard-interactive/totp for eve from 127.0.20.4" "and what failed"
is "$(grep -cF -e "$SECRET" -e "${recovery[0]}" -e "${recovery[9]}" -e "verify $(code "$SECRET" -1)" "$LOG")" 0 "no secret, no recovery code, no code"
is "$(grep -c 'line=totp verify \.\.\.' "$LOG")" 3 "commands that carry one are logged by name"
is "$(cat "$PREFIX"/state/store/* | grep -caF -e "$SECRET" -e "${recovery[0]}" -e "${recovery[0]//-/}")" 0 "nor are they in the database"

# --- clients that are none ------------------------------------------------------------------------------------------------------------------------

tool account totp-reset eve >/dev/null
ok "the admin resets it" true
fresh_step
exits 0 "and eve sets it up anew" with_key eve 127.0.20.1 totp enroll
SECRET=$(sed -n 's/^secret //p' <<<"$out" | tr -d ' ')
exits 0 "verified" with_key eve 127.0.20.1 totp verify "$(code "$SECRET" -1)"
mapfile -t recovery <<<"$out"
timeout 200 python3 "$HERE/t/lib/paramiko_totp.py" "$HOST" "$PORT" "$SCRATCH/eve" eve "${recovery[@]}" >results 2>&1
is $? 0 "paramiko's script ran to its end"
import_results results ""
# Some tries come back while the script above runs: more of them, each from another address.
for i in $(seq 30); do
    with_code eve "127.0.31.$i" 000000 true >/dev/null 2>said
    ! grep -q "too many wrong codes" said || break
done
exits 255 "many sources with wrong codes: the account waits" with_code eve 127.0.20.6 "${recovery[5]}" true
like "$err" "too many wrong codes for this account, retry after [0-9]+ s" "which is told"
ok "the daemon is up" daemon_up

# --- at once --------------------------------------------------------------------------------------------------------------------------------------

tool account totp-reset eve >/dev/null
fresh_step
with_key eve 127.0.20.7 totp enroll >enroll 2>/dev/null
SECRET=$(sed -n 's/^secret //p' enroll | tr -d ' ')
mapfile -t recovery < <(with_key eve 127.0.20.7 totp verify "$(code "$SECRET" -1)" 2>/dev/null)
echo "${recovery[0]}" >code
# A session that stays, with input that does not come: of eve with a code, of dora without.
staying() {
    timeout 100 "$@" md5sum < <(exec sleep 95) >stay.out 2>&1 &
    STAY=$!
    wait_until 20 bash -c "grep -a 'Accepted ' '$LOG' | grep -qF 'from $FROM port'"
}
stay() {
    FROM=$2
    SSH_ASKPASS=$SCRATCH/askpass SSH_ASKPASS_REQUIRE=force staying ssh "${OPTIONS[@]}" -b "$2" -i "$1" -p "$PORT" "$1@$HOST"
}
# Ends within a second of the change that was made just now.
ends() {
    local from=${EPOCHREALTIME/./} ms=
    wait_until 10 bash -c "! kill -0 $STAY 2>/dev/null || grep -q '^State:.Z' /proc/$STAY/status 2>/dev/null"
    ms=$(((${EPOCHREALTIME/./} - from) / 1000))
    diag "$1: after $ms ms"
    atmost $ms 1500 "$1"
    kill $STAY 2>/dev/null
    wait $STAY 2>/dev/null
    like "$(<stay.out)" "$2" "which is told why"
}
ok "eve is in" stay eve 127.0.20.12
tool account totp-reset eve >/dev/null
ends "a reset ends a session that came in with a code" "the second factor was removed"
ok "dora is in" stay dora 127.0.20.13
A=$CONFIG/accounts.d/rig.ini
cp "$A" before.ini
sed -i '/^\[account dora\]/a second_factor = totp' "$A"
ok "a reload demands a second factor of dora" tool reload
ends "which ends her session, that came in without" "a second factor is asked for now"
exits 77 "she must set it up now" with_key dora 127.0.20.8 status
cat before.ini >"$A"
tool reload >/dev/null
exits 0 "until it is not demanded any more" with_key dora 127.0.20.8 whoami
fresh_step
with_key dora 127.0.20.8 totp enroll >enroll 2>/dev/null
SECRET=$(sed -n 's/^secret //p' enroll | tr -d ' ')
mapfile -t recovery < <(with_key dora 127.0.20.8 totp verify "$(code "$SECRET" -1)" 2>/dev/null)
exits 0 "she may have one all the same" with_code dora 127.0.20.8 "$(code "$SECRET")" totp codes "${recovery[0]}"
mapfile -t fresh <<<"$out"
exits 1 "new recovery codes void those before" with_code dora 127.0.20.8 "${fresh[0]}" totp remove "${recovery[1]}"
with_limited() { timeout 60 ssh "${OPTIONS[@]}" -o BatchMode=yes -o LogLevel=ERROR -p "$PORT" -i limited -b 127.0.20.20 "$@"; }
exits 255 "a limited key alone is not enough" with_limited dora@$HOST true
ssh-keygen -q -t ed25519 -N '' -C dora -f certified
ssh-keygen -q -s ca -I dora@laptop -z 7 -n dora -O clear -O force-command=whoami certified.pub
exits 0 "certificate and code" with_code_of certified dora 127.0.20.21 "${fresh[3]}" status
like "$out" "logged in by publickey SHA256:[^ ]* and a code" "and its command runs"
exits 77 "limited key and code: it changes no second factor" with_code_of limited dora 127.0.20.22 "${fresh[4]}" totp remove "${fresh[5]}"
like "$err" "limited .rights, servers or command., so it may not change the second factor; nothing was changed" "in words"
new_password() { printf '%s\n' 'first horse' 'second horse' 'second horse' | with_code_of limited dora 127.0.20.22 "${fresh[6]}" passwd; }
exits 77 "nor the password" new_password
exits 0 "and give it up" with_code dora 127.0.20.8 "${fresh[1]}" totp remove "${fresh[2]}"
exits 0 "then the key is enough" with_key dora 127.0.20.8 true

# --- passwd -----------------------------------------------------------------------------------------------------------------------------------------

printf 'first horse\n' | tool account passwd dora >/dev/null
change() { printf '%s\n' "$@" | with_key dora 127.0.20.9 passwd; }
exits 2 "passwd: two that differ" change 'first horse' 'second horse' 'third horse'
exits 2 "one too short" change 'first horse' short short
exits 2 "too few lines" change 'first horse' 'second horse'
exits 77 "a wrong old one" change 'no horse at all' 'second horse' 'second horse'
exits 77 "alice has no password" bash -c 'printf "a\nbbbbbbbbbbb\nbbbbbbbbbbb\n" | "$@"' - "${SSH[@]}" alice passwd
like "$err" "password = yes" "and is told how she would"
by_password() { timeout 60 sshpass -p "$1" ssh -F none -o PubkeyAuthentication=no -o LogLevel=ERROR -o NumberOfPasswordPrompts=1 -o UserKnownHostsFile="$KNOWN_HOSTS" -b "$2" -p "$PORT" "dora@$HOST" "${@:3}"; }
by_password 'first horse' 127.0.20.10 test -e /nowhere; is $? 1 "the first one logs in"
FROM=127.0.20.14
ok "and stays" staying sshpass -p 'first horse' ssh -F none -o PubkeyAuthentication=no -o UserKnownHostsFile="$KNOWN_HOSTS" -b $FROM -p "$PORT" "dora@$HOST"
exits 0 "three lines of input" change 'first horse' 'second horse' 'second horse'
ends "end the session that came in with the old one" "the password was changed"
nok "which is none any more" by_password 'first horse' 127.0.20.11 true
ok "the new one is" by_password 'second horse' 127.0.20.10 true
run timeout 60 python3 "$HERE/t/lib/totp_terminal.py" "Old password: " 'second horse' "New password: " $'thirdx\x7f horse' "again: " 'third horse' -- \
    ssh -tt "${OPTIONS[@]}" -o LogLevel=ERROR -p "$PORT" -i dora -b 127.0.20.9 "dora@$HOST" passwd
is $rc 0 "on a terminal"
unlike "$out" 'horse' "nothing is echoed"
ok "and the third is in" by_password 'third horse' 127.0.20.10 true
is "$(grep -c 'horse' "$LOG")" 0 "no password in the log"
done_testing
