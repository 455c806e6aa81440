#!/bin/bash
# SFTP's extensions in raw packets: check-file, copy-data, copy-file, users-groups-by-id, space-available, limits; and windows.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
timeout 240 "$HERE/t/lib/sftp_extensions.py" "$HOST" "$PORT" "$KEY" "$KEY2" >out 2>err
code=$?
import_results out ""
is "$code" 0 "the script ran to its end"
[ "$code" = 0 ] || diag "$(tail -n 5 err)"

timeout 60 "$HERE/t/lib/sftp_window.py" "$HOST" "$PORT" "$KEY" >out 2>err
code=$?
import_results out ""
is "$code" 0 "the script about windows ran to its end"
[ "$code" = 0 ] || diag "$(tail -n 5 err)"

# Stock clients' own words for them.
printf 'put /etc/passwd /one/stock\ncp /one/stock /one/stock.copy\nget /one/stock.copy copy.back\n' >commands
ok "stock sftp's cp (copy-data)" batch alice <commands
ok "is the same" cmp /etc/passwd copy.back
like "$(batch alice <<<'ls -l /one/stock')" ' server +server ' "stock ls -l shows names for ids"
is "$(role_pids files | wc -l)" 0 "no files worker is left"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
