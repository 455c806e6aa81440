#!/bin/bash
# Sources that are held off: what each mistake costs, what the client is told, who is spared, what is remembered, what an admin can do; then the
# rates of accounts.  Every stranger has a loopback address of its own.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need sshpass
scratch
python=/usr/bin/python3
"$python" -c 'import paramiko' 2>/dev/null || skip_all "python3-paramiko is not installed"
for k in eve stranger few; do ssh-keygen -q -t ed25519 -N '' -C "$k" -f "$SCRATCH/$k"; done
unknown=() known=() other=()
for i in $(seq 30); do
    ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/u$i"; unknown+=(-i "$SCRATCH/u$i")
    ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/o$i"; known+=(-i "$SCRATCH/o$i"); other+=("$SCRATCH/o$i.pub")
done
{
    cat <<E2
[limits]
login_grace = 4s
max_unauthenticated = 20
exempt = 127.0.77.0/24
exempt = 2001:db8::/32
rate = backup.create 2/1m
rate = sum 1M/1h
rate = check-file 1M/1h
[account eve]
password = yes
max_connections = 2
key = $(cat "$SCRATCH/eve.pub")
[account crowd]
E2
    sed 's/^/key = /' "${other[@]}"
} >"$SCRATCH/bans.ini"
rig_up --ini "$SCRATCH/bans.ini" || exit 1

options=(-F none -p "$PORT" -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null
    -o StrictHostKeyChecking=yes -o LogLevel=ERROR -o ConnectTimeout=20 -o ControlPath=none)
by_key() { local from=$1 who=$2; shift 2; timeout 60 ssh "${options[@]}" -o BatchMode=yes -b "$from" -l "$who" "$@"; }
by_password() { SSHPASS=$3 timeout 60 sshpass -e ssh "${options[@]}" -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -b "$1" -l "$2" "$HOST" true; }
strange() { local what=$1 from=$2; shift 2; timeout 120 "$python" "$HERE/t/lib/strangers.py" "$what" "$HOST" "$PORT" "$from" "$@"; }
tool() { timeout 20 "$TOOL" --run "$RUN" "$@"; }
ban() { tool --json ban list | python3 -c '
import json, sys
for line in sys.stdin:
    o = json.loads(line)
    if o["source"] == sys.argv[1] and (o["refused"] or sys.argv[2] in ("keys", "passwords")):
        print(o[sys.argv[2]])' "$1" "$2"; }
banned() { [ -n "$(ban "$1" why)" ]; }
seconds() { echo $(($(date -d "$(ban "$1" until)" +%s) - $(date +%s))); }
all() { local i; for i in $(seq "$1"); do "${@:2}" >/dev/null 2>&1 & done; wait; }
refused() { # FROM REASON
    local told=$2
    exits 255 "$1 is refused" by_key "$1" eve -i "$SCRATCH/eve" "$HOST" true
    like "$err" "Received disconnect from $HOST port $PORT:1: $told, retry after [0-9]+ s" "and told why"
}

# --- what each costs --------------------------------------------------------------------------------------------------------------------

exits 0 "a good login" by_key 127.0.6.9 eve -i "$SCRATCH/eve" "$HOST" true
is "$(tool ban list)" "" "leaves nothing behind"

printf 'right horse\n' | tool account passwd eve >/dev/null
for i in 1 2; do by_password 127.0.6.1 eve wrong >/dev/null 2>&1; done
nok "two wrong passwords are none too many" banned 127.0.6.1
exits 0 "and a good one" by_password 127.0.6.1 eve 'right horse'
by_password 127.0.6.1 eve wrong >/dev/null 2>&1
is "$(ban 127.0.6.1 passwords)" 1 "begins anew"
tool ban rm 127.0.6.1 >/dev/null
for i in 1 2 3; do by_password 127.0.6.1 eve wrong >/dev/null 2>&1; done
is "$(ban 127.0.6.1 why)" passwords "three wrong passwords"
atleast "$(seconds 127.0.6.1)" 50 "for 60 s"
atmost "$(seconds 127.0.6.1)" 60 "for 60 s"
refused 127.0.6.1 "too many wrong passwords"

exits 255 "thirty keys that nobody has" by_key 127.0.6.2 eve "${unknown[@]}" -i "$SCRATCH/eve" "$HOST" true
is "$(ban 127.0.6.2 why)" keys "are too many"
refused 127.0.6.2 "too many keys that do not fit"
exits 0 "thirty keys of other accounts, then the right one" by_key 127.0.6.3 eve "${known[@]}" -i "$SCRATCH/eve" "$HOST" true
exits 0 "and again" by_key 127.0.6.3 eve "${known[@]}" -i "$SCRATCH/eve" "$HOST" true
is "$(ban 127.0.6.3 keys)" "" "none of them was a try"
exits 0 "nineteen that nobody has, then the right one" by_key 127.0.6.3 eve "${unknown[@]:0:38}" -i "$SCRATCH/eve" "$HOST" true
nok "nor is that too many" banned 127.0.6.3

strange signed 127.0.6.4 eve "$SCRATCH/stranger" 10 >/dev/null 2>&1
is "$(ban 127.0.6.4 why)" authfail "logins with a key that does not fit"
atmost "$(seconds 127.0.6.4)" 20 "5 s each"
atleast "$(seconds 127.0.6.4)" 8 "5 s each"
refused 127.0.6.4 "too many failed logins"

all 8 by_key 127.0.6.5 nobodyhere -i "$SCRATCH/stranger" "$HOST" true
is "$(ban 127.0.6.5 why)" invaliduser "unknown accounts"
atmost "$(seconds 127.0.6.5)" 40 "5 s each"
refused 127.0.6.5 "too many failed logins"

strange leave 127.0.6.6 30 >/dev/null 2>&1
is "$(ban 127.0.6.6 why)" noauth "connections that leave without a try"
atmost "$(seconds 127.0.6.6)" 30 "1 s each"
refused 127.0.6.6 "too many connections without a login"

strange hold 127.0.6.7 2 8 >"$SCRATCH/held" &
holder=$!
wait_until 20 banned 127.0.6.7
is "$(ban 127.0.6.7 why)" grace-exceeded "logins that are not finished in time"
atmost "$(seconds 127.0.6.7)" 20 "10 s each"
atleast "$(seconds 127.0.6.7)" 10 "10 s each"
refused 127.0.6.7 "too many logins that were never finished"
wait $holder

strange hold 127.0.6.8 1 20 >"$SCRATCH/held" &
holder=$!
wait_until 20 grep -q held "$SCRATCH/held"
crashing=$(sed -n 's/.* session\.new session=\([0-9]*\) account=- from=127\.0\.6\.8 pid=\([0-9]*\)$/\2/p' "$LOG" | tail -n 1)
ok "a session dies" kill -SEGV "$crashing"
wait_until 10 banned 127.0.6.8
is "$(ban 127.0.6.8 why)" crash "which is held against its source"
atleast "$(seconds 127.0.6.8)" 80 "for 90 s"
atmost "$(seconds 127.0.6.8)" 90 "for 90 s"
refused 127.0.6.8 "a connection ended in a fault of the service"
kill $holder 2>/dev/null; wait $holder 2>/dev/null

# --- who is spared --------------------------------------------------------------------------------------------------------------------------

for i in 1 2 3 4; do by_password 127.0.77.1 eve wrong >/dev/null 2>&1; done
strange signed 127.0.77.1 eve "$SCRATCH/stranger" 4 >/dev/null 2>&1
exits 0 "an exempt network is never refused" by_key 127.0.77.1 eve -i "$SCRATCH/eve" "$HOST" true
like "$(tool ban add 127.0.77.1 60 2>&1)" "exempt" "not even by an admin, who is told why"
like "$(by_key 127.0.77.1 eve -i "$SCRATCH/eve" "$HOST" limits)" "your address: exempt" "and it knows"
strange hold 127.0.8.1 20 3.4 >"$SCRATCH/held" &
holder=$!
wait_until 10 grep -q held "$SCRATCH/held"
run strange raw 127.0.8.2
like "$out" "SSH-2.0-holdfast.*too many connections are not logged in" "when all places are taken a stranger is told so"
exits 0 "and an exempt one gets in" by_key 127.0.77.2 eve -i "$SCRATCH/eve" "$HOST" true
ok "logged as OpenSSH says it" logged 'holdfastd\[[0-9]+\]: drop connection #[0-9]+ from \[127\.0\.8\.2\]:[0-9]+ on \[127\.0\.0\.1\]:[0-9]+ past MaxStartups$'
ok "a penalty as well" logged 'drop connection #[0-9]+ from \[127\.0\.6\.1\]:[0-9]+ on \[127\.0\.0\.1\]:[0-9]+ penalty: passwords$'
wait $holder

# --- what clients show ------------------------------------------------------------------------------------------------------------------------

ok "an admin refuses a source" tool ban add 127.0.6.20 500
words="refused by the admin of this service, retry after [0-9]+ s"
run sftp "${options[@]/-p/-P}" -o BindAddress=127.0.6.20 -b /dev/null "eve@$HOST"
like "$err" "$words" "sftp shows it"
run scp "${options[@]/-p/-P}" -o BindAddress=127.0.6.20 /etc/hosts "eve@$HOST:/"
like "$err" "$words" "scp shows it"
run strange raw 127.0.6.20
like "$out" "^b'SSH-2.0-holdfast" "what is sent begins as SSH does, and ends well"
if "$python" -c 'import asyncssh' 2>/dev/null; then
    run "$python" -W ignore -c '
import asyncio, asyncssh, sys
async def main():
    await asyncssh.connect(sys.argv[1], int(sys.argv[2]), username="eve", known_hosts=None, local_addr=("127.0.6.20", 0))
asyncio.run(main())' "$HOST" "$PORT"
    like "$err" "$words" "asyncssh shows it"
else
    skip "asyncssh shows it" "python3-asyncssh is not installed"
fi
if command -v plink >/dev/null; then
    tool ban add 127.0.0.1 500
    run plink -batch -P "$PORT" "eve@$HOST" true
    like "$err$out" "$words" "plink shows it"
    tool ban rm 127.0.0.1 >/dev/null
else
    skip "plink shows it" "putty-tools is not installed"
fi

# --- what is remembered ------------------------------------------------------------------------------------------------------------------------

tool ban rm all >/dev/null
is "$(tool ban list)" "" "ban rm all takes everything back"
exits 0 "who was refused gets in" by_key 127.0.6.8 eve -i "$SCRATCH/eve" "$HOST" true
strange signed 127.0.6.31 eve "$SCRATCH/stranger" 1 >/dev/null 2>&1
tool ban add 127.0.6.30 300
for i in 1 2 3; do by_password 127.0.6.32 eve wrong >/dev/null 2>&1; done
wait_until 10 banned 127.0.6.32
kill -9 "$SERVER_PID"; wait_until 10 eval '! alive "$SERVER_PID"'
sleep 2
eval "$("$HERE/t/rig" start "$PREFIX")"
is "$(ban 127.0.6.32 why)" passwords "a ban survives kill -9"
atmost "$(seconds 127.0.6.32)" 58 "and goes on where it was"
is "$(ban 127.0.6.30 why)" admin "an admin's too"
refused 127.0.6.32 "too many wrong passwords"
for i in 1 2; do by_password 127.0.6.33 eve wrong >/dev/null 2>&1; done
kill "$SERVER_PID"; wait_until 20 eval '! alive "$SERVER_PID"'
eval "$("$HERE/t/rig" start "$PREFIX")"
is "$(ban 127.0.6.32 why)" passwords "an orderly restart"
atmost "$(seconds 127.0.6.30)" 298 "no term begins anew"
nok "two wrong passwords before the restart" banned 127.0.6.33
by_password 127.0.6.33 eve wrong >/dev/null 2>&1
is "$(ban 127.0.6.33 why)" passwords "and one after it are three"
exits 0 "others come in" by_key 127.0.6.34 eve -i "$SCRATCH/eve" "$HOST" true
ok "one is pardoned" tool ban rm 127.0.6.32
exits 1 "once" tool ban rm 127.0.6.32
kill -9 "$SERVER_PID"; wait_until 10 eval '! alive "$SERVER_PID"'
eval "$("$HERE/t/rig" start "$PREFIX")"
is "$(ban 127.0.6.32 why)" "" "what was pardoned does not come back"
is "$(ban 127.0.6.30 why)" admin "what was not is there"
store=$(store_pid)
ok "the store dies" kill -9 "$store"
wait_until 20 eval '[ "$(store_pid)" != "" ] && [ "$(store_pid)" != "$store" ] && hf alice true'
is "$(ban 127.0.6.30 why)" admin "bans are the supervisor's"
for bad in "add 127.0.6.40" "add 127.0.0.0/8 60" "add 127.0.6.40 0" "add 127.0.6.40 1x" "add here 60" "rm" "rm nothing" "nothing"; do
    exits 2 "usage: ban $bad" tool ban $bad
done
ok "a network of IPv6" tool ban add 2001:db9:1:2::5 60
like "$(tool ban list)" '2001:db9:1:2::/64 +admin' "is a source"

# --- limits of accounts ----------------------------------------------------------------------------------------------------------------------------

loud() { timeout 60 ssh -o LogLevel=INFO "${options[@]}" -o BatchMode=yes -b 127.0.6.34 -l eve -i "$SCRATCH/eve" "$HOST" true; }
mkfifo "$SCRATCH/in"
for i in 1 2; do by_key 127.0.6.34 eve -i "$SCRATCH/eve" "$HOST" sha1sum <"$SCRATCH/in" >/dev/null 2>&1 & done
exec 9>"$SCRATCH/in"
wait_until 10 eval '[ "$(tool sessions | grep -c " eve ")" = 2 ]'
exits 255 "one connection too many" loud
like "$err" "too many connections of this account" "is told"
exec 9>&-
wait
is "$(strange channels 127.0.6.34 eve "$SCRATCH/eve" 10)" $'10\nagain' "ten channels on a connection, and a place is free again"

run hf alice sessions --json
is "$(wc -l <<<"$out")" 1 "one session"
ok "its fields" json_ok session address port since method key this <<<"$out"
like "$(hf alice sessions)" '^\* [0-9]+ +127\.0\.0\.1 ' "this one is marked"
run hf alice limits --json
ok "limits" json_ok connections connections_limit channels rates source penalty_s passwords_limit <<<"$out"
head -c 700000 /dev/urandom >"$SCRATCH/blob"
put alice "$SCRATCH/blob" /one/blob >/dev/null
exits 0 "digests, as long as the rate lasts" hf alice sha256sum /one/blob
is "${out%% *}" "$(sha256sum <"$SCRATCH/blob" | cut -d' ' -f1)" "are right"
exits 75 "and then not" hf alice md5sum /one/blob
like "$err" 'rate of sum .*retry after [0-9]+ s' "told when again"
exits 0 "input costs nothing" hf alice md5sum
run strange check 127.0.6.34 alice "$KEY" /one/blob 2
is "$(head -n 1 <<<"$out")" "$(sha256sum <"$SCRATCH/blob" | cut -d' ' -f1)" "check-file has a rate of its own"
like "$(tail -n 1 <<<"$out")" 'refused: .*rate of check-file .*retry after [0-9]+ s' "and says so"
exits 0 "a backup" hf alice backup create one
exits 0 "a second" hf alice backup create two
exits 75 "a third" hf alice backup create one
like "$err" 'rate of backup.create .*retry after ([12][0-9]|30) s' "is told when"
exits 75 "with --json" hf alice backup create one --json
like "$err" '"code":75' "too"
exits 0 "bob may" hf bob backup create three
like "$(hf alice limits)" 'backup.create: 0 of 2 left' "limits shows it"
ok "an unknown verb in a rate is refused" grep -q "'nosuch' has no rate; allowed: backup.create backup.get rsync sum check-file" <(
    mkdir -m 0700 "$SCRATCH/etc"; cp -a "$PREFIX/etc/." "$SCRATCH/etc/"; sed -i 's/^rate = sum .*/rate = nosuch 1\/1h/' "$SCRATCH/etc/holdfast.ini"
    "$DAEMON" -c "$SCRATCH/etc" -T 2>&1)

# --- what a flood costs --------------------------------------------------------------------------------------------------------------------------

cpu() { awk '{ print $14 + $15 }' "/proc/$SERVER_PID/stat"; }
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$SERVER_PID/status"; }
before=$(cpu) memory=$(rss)
run strange flood 127.0.6.30 3000
is "${out%% *}" 3000 "three thousand refused connections, each told"
atmost $((($(cpu) - before) * 10000 / 3000)) 500 "CPU of the supervisor, microseconds each"
atmost $(($(rss) - memory)) 2048 "KiB more memory"
atmost "$(grep -c 'from \[127\.0\.6\.30\]' "$LOG")" 400 "lines in the log are bounded"
done_testing
