#!/bin/bash
# Strangers in thousands, good users beside them: these notice nothing, and nothing stays.  The long form is in t/bench/auth.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
RUN_BOUND=400
printf '[log]\nlevel = info\n[account bob]\npassword = yes\n' >"$SCRATCH/flood.ini"
rig_up --ini "$SCRATCH/flood.ini"
password() { printf 'right horse\n' | timeout 30 "$TOOL" --run "$RUN" account passwd bob; }
ok "bob has a password" wait_until 20 password
export HOST PORT TOOL RUN CONFIG KEY SERVER_PID SSH_CONFIG
flood() { timeout 380 nice -n 1 python3 -B "$HERE/t/lib/flood.py" "$@" >"$SCRATCH/results" 2>&1; }
flood --silent 1200 --wrong 80 --seconds 35
is "$?" 0 "a flood from everywhere"
import_results "$SCRATCH/results" "from everywhere: "
flood --silent 500 --wrong 20 --seconds 10 --few
is "$?" 0 "a flood from four addresses"
import_results "$SCRATCH/results" "from four: "
ok "waiting ones were put out for others" logged 'session.put_out'
unlike "$(grep -E 'error:|store.died|session.crashed' "$LOG" | head -n 3)" '.' "and nothing broke"
ok "the daemon is up" daemon_up
done_testing
