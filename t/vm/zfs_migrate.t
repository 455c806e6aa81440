#!/bin/bash
# vm: zfs
# vm: bound 3000
# Servers' files moved to and from datasets of ZFS, a pool in a file.  t/vm/zfs makes the modules and tools; without them there is one skipped test.
depmod -a 2>/dev/null; ldconfig 2>/dev/null
if ! command -v zpool >/dev/null || ! modprobe zfs; then
    echo "1..1"; echo "ok 1 - ZFS # SKIP no zfs module or tools: t/vm/zfs builds them"
    exit 0
fi
export RUN_BOUND=400 MIGRATE_BELOW=zfs MIGRATE_ONLY=pairs
exec "$(dirname "$0")/../sys/migrate.t"
