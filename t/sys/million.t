#!/bin/bash
# A listing of very many entries is whole, and takes no more memory than one of a few: 100,000, with HOLDFAST_LONG=1 a million.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -x /usr/lib/openssh/sftp-server ] || skip_all "no /usr/lib/openssh/sftp-server"
N=100000
[ "${HOLDFAST_LONG:-0}" = 0 ] || N=1000000
scratch
cd "$SCRATCH" || exit 1
cat >more.ini <<E2
[server one]
disk = $((N / 1000 * 2))M
inodes = $((N + 20000))
E2
rig_up --ini more.ini
SERVERS=$PREFIX/state/servers
MILLION=$HERE/t/lib/million.py
ok "its disk is there" batch alice <<<"ls /one"
uid=$(stat -c %u "$SERVERS/one")
ok "a folder of 1000" "$MILLION" make "$SERVERS/one/few" 1000 "$uid"
start=$(now_us)
RUN_BOUND=600 ok "one of $N" "$MILLION" make "$SERVERS/one/many" $N "$uid"
diag "made in $((($(now_us) - start) / 1000)) ms"
timeout 900 "$MILLION" list "$SSH_CONFIG" $N "$SERVERS/one" "$uid" >out 2>err
code=$?
import_results out ""
is $code 0 "the script ran to its end"
[ $code = 0 ] || diag "$(tail -n 5 err)"

# The stock client, which asks for one packet after the other and shows names as they come.
start=$(now_us)
RUN_BOUND=600 batch alice <<<"ls -1f /one/many" 2>/dev/null | sed -n 's/^\/one\/many\/\([0-9]*\)$/\1/p' >stock
diag "sftp's ls -1f: $((($(now_us) - start) / 1000)) ms"
is "$(wc -l <stock) $(sort -u stock | wc -l) $(sort stock | sed -n '1p;$p' | tr '\n' ' ')" "$N $N 0000000 $(printf %07d $((N - 1))) " \
    "stock sftp lists each once"
nok "no worker or session died" grep -E 'role\.died|files\.died|invariant|broke a rule|AddressSanitizer|runtime error' "$LOG"
done_testing
