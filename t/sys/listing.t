#!/bin/bash
# Listings in raw packets: whole, each entry once, whatever is in flight, closed or opened meanwhile.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
mkdir many few
seq -f many/f%04g 0 2999 | xargs touch
touch few/g{0..4}
ok "two directories go up" batch alice <<<$'mkdir /one/many\nmkdir /one/few\nput -r many/. /one/many\nput -r few/. /one/few'
script_results 120 sftp_listing.py "$HOST" "$PORT" "$KEY"
is "$(role_pids files | wc -l)" 0 "no files worker is left"
done_testing
