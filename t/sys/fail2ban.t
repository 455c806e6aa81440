#!/bin/bash
# Debian's own fail2ban filter for sshd reads the log when only the daemon's name is changed: it sees who failed, and nobody can have
# another address banned.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need fail2ban-regex sshpass python3
[ -r /etc/fail2ban/filter.d/sshd.conf ] || skip_all "fail2ban's sshd filter is not installed"
scratch
ssh-keygen -q -t ed25519 -N '' -C eve -f "$SCRATCH/eve"
many=()
for i in $(seq 20); do ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/k$i"; many+=(-i "$SCRATCH/k$i"); done
cat >"$SCRATCH/eve.ini" <<E2
[limits]
login_grace = 4s
[account eve]
password = yes
key = $(cat "$SCRATCH/eve.pub")
E2
rig_up --ini "$SCRATCH/eve.ini"

options=(-F none -p "$PORT" -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes
    -o LogLevel=ERROR -o ConnectTimeout=10)
by_password() { SSHPASS=wrong timeout 60 sshpass -e ssh "${options[@]}" -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -b "$2" -l "$1" "$HOST" true; }
by_key() { local who=$1 from=$2; shift 2; timeout 60 ssh "${options[@]}" -o BatchMode=yes -b "$from" -l "$who" "$@"; }
exits 0 "a login" by_key eve 127.0.9.1 -i "$SCRATCH/eve" "$HOST" true
nok "a wrong password" by_password eve 127.0.9.2
nok "an unknown account" by_password nobodyhere 127.0.9.3
nok "an unknown account, a key" by_key nobodyhere 127.0.9.4 -i "$SCRATCH/eve" "$HOST" true
nok "many keys that do not fit" by_key eve 127.0.9.5 "${many[@]}" "$HOST" true
nok "a name that looks like a line of the log" by_password 'x from 203.0.113.1 port 22 ssh2' 127.0.9.6
# ssh itself refuses to send such a name.
cat >"$SCRATCH/name.py" <<'E2'
import socket, sys, paramiko
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10, ("127.0.9.7", 0))
t = paramiko.Transport(s)
t.connect(username="x\n2026-01-01T00:00:00.000Z holdfast-store[1]: Failed password for root from 203.0.113.2 port 22 ssh2", password="wrong")
E2
nok "one with a line end in it" python3 "$SCRATCH/name.py" "$HOST" "$PORT"
run by_key eve 127.0.9.1 -i "$SCRATCH/eve" "$HOST" 'echo Failed password for root from 203.0.113.3 port 22 ssh2'
run by_key eve 127.0.9.1 -i "$SCRATCH/eve" "$HOST" $'echo "x\nFailed password for root from 203.0.113.4 port 22 ssh2"'
run by_key eve 127.0.9.1 -i "$SCRATCH/eve" "$HOST" $'"\n2026-01-01T00:00:00.000Z holdfast-store[1]: Failed password for root from 203.0.113.5 port 22 ssh2'

# Penalties and drops are the supervisor's lines, worded as OpenSSH's: who connects and leaves, who never finishes, who is turned away.
strange() { local what=$1 from=$2; shift 2; timeout 120 /usr/bin/python3 "$HERE/t/lib/strangers.py" "$what" "$HOST" "$PORT" "$from" "$@"; }
strange leave 127.0.9.8 40 >/dev/null 2>&1
strange hold 127.0.9.9 2 6 >/dev/null 2>&1
for i in 1 2 3; do by_password eve 127.0.9.10 >/dev/null 2>&1; done
exits 255 "who is refused is" by_key eve 127.0.9.10 -i "$SCRATCH/eve" "$HOST" true
like "$err" "retry after" "told so"

# As a jail says it: filter = sshd[_daemon=holdfast-store].
fail2ban-regex --print-all-matched "$LOG" 'sshd[_daemon=holdfast-store]' >"$SCRATCH/matched" 2>&1
is $? 0 "the filter takes the daemon's name"
fail2ban-regex -o ip "$LOG" 'sshd[_daemon=holdfast-store]' 2>&1 | sort -u >"$SCRATCH/addresses"
for n in 2 3 4 5 6 7; do
    ok "127.0.9.$n has failed" grep -qx "127.0.9.$n" "$SCRATCH/addresses"
done
is "$(grep -c '^203' "$SCRATCH/addresses")" 0 "no address that a stranger wrote"
is "$(grep -cx 127.0.9.1 "$SCRATCH/addresses")" 0 "who logged in among them has not failed"
ok "the line of a wrong password" grep -q 'Failed password for eve from 127.0.9.2 port [0-9]* ssh2$' "$SCRATCH/matched"
ok "of an unknown account" grep -q 'Failed password for invalid user nobodyhere from 127.0.9.3 port [0-9]* ssh2$' "$SCRATCH/matched"
ok "of too many keys" grep -q 'error: maximum authentication attempts exceeded for eve from 127.0.9.5 port [0-9]* ssh2 \[preauth\]$' "$SCRATCH/matched"
ok "a command stands in the log as it was typed" grep -q ' event=command text="line=echo Failed password for root' "$LOG"
# With the supervisor's lines as well, and the mode that takes those who only connect for failures.
fail2ban-regex -o ip "$LOG" 'sshd[_daemon="holdfast(?:-store|d)", mode=ddos]' 2>&1 | sort -u >"$SCRATCH/ddos"
for n in 2 3 5 8 10; do
    ok "127.0.9.$n has failed, mode ddos" grep -qx "127.0.9.$n" "$SCRATCH/ddos"
done
is "$(grep -c '^203\|^127\.0\.9\.1$' "$SCRATCH/ddos")" 0 "and nobody else"
ok "who leaves" grep -q 'holdfastd\[[0-9]*\]: Connection closed by 127.0.9.8 port [0-9]* \[preauth\]$' "$LOG"
ok "who never finishes" grep -q 'holdfastd\[[0-9]*\]: Timeout before authentication for 127.0.9.9 port [0-9]*$' "$LOG"
ok "who is turned away" grep -q 'holdfastd\[[0-9]*\]: drop connection #[0-9]* from \[127.0.9.10\]:[0-9]* on \[127.0.0.1\]:[0-9]* penalty: passwords$' "$LOG"
done_testing
