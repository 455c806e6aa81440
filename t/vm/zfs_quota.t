#!/bin/bash
# vm: zfs
# vm: bound 3000
# The suite of all backends on ZFS, a pool in a file: a row of each way to fill a disk, as many as an emulated machine does in some minutes.
# QUOTA_ROWS= names others.  t/vm/zfs makes the modules and tools; without them there is one skipped test.
depmod -a 2>/dev/null; ldconfig 2>/dev/null
if ! command -v zpool >/dev/null || ! modprobe zfs; then
    echo "1..1"; echo "ok 1 - ZFS # SKIP no zfs module or tools: t/vm/zfs builds them"
    exit 0
fi
export RUN_BOUND=400 QUOTA_BACKEND=zfs QUOTA_SLOW=10
export QUOTA_ROWS=${QUOTA_ROWS:-write small sparse append threads fallocate empty unlinked copy xattr-many}
exec "$(dirname "$0")/../sys/quota.t"
