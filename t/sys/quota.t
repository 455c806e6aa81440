#!/bin/bash
# A hostile server and hostile clients against the wall and the gate: no way to more than was given, and everything serves again.
#
# QUOTA_BACKEND=image (the default), btrfs, project, zfs, fuse, none; or broken: a wall that is none, to see that each row would notice.
# QUOTA_ROWS="write sparse" runs these rows only, QUOTA_ROWS=none what comes after them; QUOTA_SLOW=10 gives each row ten times the time to fill a disk.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/quota_place.sh"
need_root
need mke2fs losetup findmnt
FILLER=${BUILD:-$HERE/build}/t/lib/quota_filler
[ -x "$FILLER" ] || skip_all "t/lib/quota_filler is not built"
export QUOTA_BACKEND=${QUOTA_BACKEND:-image} LIMIT=$((64 << 20)) INODES=20000 QUOTA_SLOW=${QUOTA_SLOW:-1}
quota_place

cat >"$SCRATCH/more.ini" <<E3
$(quota_ini)
[server one]
command = ./run $LIMIT $INODES $((25 * QUOTA_SLOW))
restart = never
stop_timeout = 2s
pids = 100
memory = 512M
$(quota_server)
[server two]
restart = never
$(quota_server)
E3
rig_up --ini "$SCRATCH/more.ini"
D=$PREFIX/state/servers/one
put_run one <"$FILLER" 2>/dev/null
put_run three <"$HERE/t/payload/echo" 2>/dev/null
exits 0 "start" started one
exits 0 "start a neighbour" started three
three=$(field three pid)
BACKING=
[ "$QUOTA_BACKEND" != image ] || BACKING=$PREFIX/state/servers/one.img
export BACKING
[ -z "$BACKING" ] || ok "it has a file for its disk" test -f "$BACKING"

# A row may take minutes: each is shown when it is done, so that a run that is cut off says how far it came.
rows() {
    # shellcheck disable=SC2086
    timeout -k 5 $(($1 * QUOTA_SLOW)) python3 -B "$HERE/t/lib/quota_rows.py" "$SSH_CONFIG" "$D" "$FILLER" ${*:2} 2>&1 | tee "$TAP_TMP/rows"
    grep -q "^# most on the disk" "$TAP_TMP/rows" || echo "not ok the rows came to their end"
}
# It says so when it has come to its end.
tried() { ok "$1all rows were tried" grep -q "^# most on the disk" "$TAP_TMP/rows"; }
COUNTED=
if [ "$QUOTA_BACKEND" = broken ]; then
    # shellcheck disable=SC2086
    rows 400 ${QUOTA_ROWS:-write small sparse truncate direct append copy map-hole threads fallocate empty dirs symlinks unlinked xattr-many} >/dev/null
    diag "$(cat "$TAP_TMP/rows")"
    bitten=$(grep -c '^not ok' "$TAP_TMP/rows") passed=$(grep -c '^ok' "$TAP_TMP/rows")
    is "$passed" 0 "every row notices a wall that is none ($bitten do)"
    atleast "$bitten" 1 "there were rows"
    done_testing
    exit
fi
# Nothing is refused there but by the gate, after a count that takes its time: a few rows, of which each leaves another disk to count.
[ "$QUOTA_BACKEND" != none ] || COUNTED="write small copy unlinked"
[ "${QUOTA_ROWS:-}" = none ] || { import_results <(rows 900 ${QUOTA_ROWS:-$COUNTED}) ""; tried ""; }
[ -z "${QUOTA_ROWS:-}" ] || [ "$QUOTA_ROWS" = none ] || { done_testing; exit; }
is "$(field three pid)" "$three" "the neighbour runs on"
ok "the daemon is up" daemon_up
nok "nobody died of a broken rule" logged "peer broke a rule|bug at "
. "$HERE/t/lib/quota_ends.sh"
done_testing
