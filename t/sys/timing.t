#!/bin/bash
# Whether an account exists, has a password, or is suspended is not to be told by how long a refusal takes.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
for k in known bare never gone factor; do ssh-keygen -q -t ed25519 -N '' -C "$k" -f "$SCRATCH/$k"; done
{
    # Nothing but the work is to be measured: no penalties, and tries enough.
    printf '[limits]\nauth_tries = 1000\npassword_tries = 100\npenalty_auth = 0s\npenalty_noauth = 0s\ncooldown = 0s\nlogin_grace = 10m\n'
    for a in known bare never gone factor; do printf '[account %s]\nkey = %s\npassword = %s\n' $a "$(<"$SCRATCH/$a.pub")" "$([ $a = never ] && echo no || echo yes)"; done
} >"$SCRATCH/timing.ini"
sed -i '/^\[account gone\]/a suspended = yes' "$SCRATCH/timing.ini"
sed -i '/^\[account factor\]/a second_factor = totp' "$SCRATCH/timing.ini"
rig_up --ini "$SCRATCH/timing.ini" || exit 1
set_password() { printf 'the right password\n' | timeout 30 "$TOOL" --run "$RUN" account passwd "$1" >/dev/null 2>&1; }
for a in known never gone factor; do wait_until 30 set_password $a || fail "a password for $a"; done
timeout 500 python3 "$HERE/t/lib/timing.py" "$HOST" "$PORT" 'a wrong password' "${ROUNDS:-30}" "${KEY_ROUNDS:-60}" >"$SCRATCH/results" 2>&1
is $? 0 "the measuring ran to its end"
grep '^#' "$SCRATCH/results"
import_results <(grep -v '^#' "$SCRATCH/results") ""
done_testing
