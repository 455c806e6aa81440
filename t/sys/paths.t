#!/bin/bash
# Paths as long as can be, trees deeper than a path can say and names of any bytes, with OpenSSH's sftp-server as the oracle: the same statuses
# and effects, but for the table of differences in t/lib/sftp_paths.py.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -x /usr/lib/openssh/sftp-server ] || skip_all "no /usr/lib/openssh/sftp-server"
rig_up
scratch
cd "$SCRATCH" || exit 1
uid=$(id -u nobody) # it must have a name
mkdir oracle
chmod 755 . oracle
chown "$uid" oracle
script_results 240 sftp_paths.py "$HOST" "$PORT" "$KEY" "$SCRATCH/oracle" "$uid"
nok "no worker or session died" grep -E 'role\.died|files\.died|invariant|broke a rule|AddressSanitizer|runtime error' "$LOG"
done_testing
