#!/bin/bash
# Every SFTP operation against OpenSSH's sftp-server as the oracle: the same statuses, the same effects, but for the table of differences in
# t/lib/sftp_oracle.py.
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
chown $uid oracle
script_results 240 sftp_oracle.py "$HOST" "$PORT" "$KEY" "$SCRATCH/oracle" $uid
done_testing
