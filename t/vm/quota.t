#!/bin/bash
# vm: kernels 6.1 6.12
# vm: bound 1500
# The suite of all backends where the kernel has project quotas: a row of each way to fill a disk, as many as an emulated machine does in some minutes.
# QUOTA_ROWS= names others.
export RUN_BOUND=400 QUOTA_BACKEND=project QUOTA_SLOW=10
export QUOTA_ROWS=${QUOTA_ROWS:-write small sparse append map-hole threads fallocate unlinked project quotactl}
exec "$(dirname "$0")/../sys/quota.t"
