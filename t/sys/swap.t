#!/bin/bash
# Confinement under fire: a hostile server swaps what its names are (folder, link, file, FIFO, hard link, socket), as fast as it can and in
# several processes, and moves folders that are being walked through; meanwhile every operation of SFTP goes through these names.  Around
# stand canaries that are open to all but for the worker's own walls.  SWAP_SECONDS is how long (32).
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
BUILD=${BUILD:-$TAP_HERE/build}
[ -x "$BUILD/t/lib/swapper" ] || skip_all "no $BUILD/t/lib/swapper: 'make check' builds it"
SECONDS_LONG=${SWAP_SECONDS:-32}
rig_up
scratch
chmod 0755 "$SCRATCH"
cd "$SCRATCH" || exit 1
CLIENTS=$HERE/t/lib/swap_clients.py
TOKEN=canary-$(head -c 16 /dev/urandom | md5sum | cut -c1-32)
SERVERS=$PREFIX/state/servers

# --- paths that are wrong in themselves ---------------------------------------------------------------------------------------------------

batch bob <<<"ls /three" >/dev/null 2>&1
batch alice <<<$'ls /one\nls /two' >/dev/null 2>&1
uid=$(stat -c %u "$SERVERS/one")
isnt "$uid" 0 "the disks are mounted where canaries can be put beside them"
timeout 100 "$CLIENTS" names "$SSH_CONFIG" "$uid" >names 2>names.err
code=$?
import_results names ""
is $code 0 "the script ran to its end"
[ $code = 0 ] || diag "$(tail -n 5 names.err)"

# --- canaries -----------------------------------------------------------------------------------------------------------------------------

# The wall of the folders' modes is taken down: what is tested stands behind it.
chmod 0711 "$SERVERS" "$PREFIX/state" "$PREFIX"
CANARIES=("$SERVERS/cage" "$PREFIX/state/cage" "$PREFIX/cage" "$SCRATCH/etc" "$SERVERS/two/cage" "$SERVERS/three/cage")
for folder in "${CANARIES[@]}"; do "$CLIENTS" plant "$TOKEN" "$folder" "$uid" || bail "no canary in $folder"; done
# In the servers' own folders as well, whose modes are opened; their owners stay.
for s in two three; do chmod 0757 "$SERVERS/$s"; echo "$TOKEN" | as_server $s tee f >/dev/null; chmod 0666 "$SERVERS/$s/f"; done
NAMED=("$PREFIX" "$PREFIX/state" "$SERVERS")
look() {
    "$CLIENTS" look "${CANARIES[@]}" "$SERVERS/two" "$SERVERS/three"
    for f in "${NAMED[@]}"; do ls -A "$f"; stat -c '%n %a %u %g' "$f"; done
    stat -c '%n %a %u %g %Y' /etc /etc/passwd /
}
look >before
atleast "$(grep -c "$(printf %s "$TOKEN" | od -An -tx1 | tr -d ' \n')" before)" 18 "canaries stand, with content, owner, mode, times and attributes"

# --- the swapper --------------------------------------------------------------------------------------------------------------------------

printf '%s\n' "${CANARIES[@]}" "$SERVERS/two" "$SERVERS/three" ../two ../three ../two/cage ../three/cage >targets
put alice targets /one/targets >/dev/null
install -m 0755 "$BUILD/t/lib/swapper" run
batch alice <<<$'put -p run /one/run' >/dev/null
exits 0 "it starts" hf alice start one --wait --timeout 30
said() { hf alice logs one -n 400 2>/dev/null | grep -- "$1" | tail -n 1; }
says() { [ -n "$(said "$1")" ]; }
ok "it swaps" wait_until 20 says swapping
like "$(said 'device character')" EPERM "a device node cannot be made"
like "$(said 'device block')" EPERM "of neither kind"
swaps() { said swaps | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# --- every operation through it -----------------------------------------------------------------------------------------------------------

cut_=$(wc -l <"$LOG")
timeout $((SECONDS_LONG + 90)) "$CLIENTS" run "$SSH_CONFIG" "$HOST" "$PORT" "$KEY" "$uid" "$SECONDS_LONG" "$TOKEN" >out 2>err
code=$?
import_results out ""
is $code 0 "the script ran to its end"
[ $code = 0 ] || diag "$(tail -n 5 err)"
# The clients' connections take a moment to go, and an account has a number of them.
wait_until 20 says swaps
diag "$(said swaps)"
for s in place leaf zoo churn walk; do atleast "$(swaps $s)" $((SECONDS_LONG * 50)) "$s was swapped all the while"; done
state_is one running && pass "and it still runs" || fail "it ended"
tail -n +$((cut_ + 1)) "$LOG" >log
nok "no worker or session died" grep -E 'role\.died|files\.died|session\.died|invariant|broke a rule|[^e]bug:|AddressSanitizer|runtime error' log

# --- the canaries -------------------------------------------------------------------------------------------------------------------------

killed one >/dev/null 2>&1
look >after
is "$(diff before after | head -n 20)" "" "all canaries are as they were, and nothing stands beside them"
is "$(grep -rlaF -D skip "$TOKEN" "$SERVERS/one" | head -n 5; find "$SERVERS/one" -type f -links +1 -name only-outside)" "" \
    "nothing of them came into the server's tree"
is "$(grep -rlaF -D skip 'root:x:0:0' "$SERVERS/one" | head -n 5)" "" "nor of /etc/passwd"
gone() { [ -z "$(role_pids files)$(role_pids session)" ]; }
ok "no worker or session is left" wait_until 10 gone
ok "the daemon is well" daemon_up
done_testing
