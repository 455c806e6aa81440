#!/bin/bash
# vm: kernels 6.1 6.12
# vm: bound 2400
# The probes and the bombs where limits are held by cgroups, under Debian's kernels.
export RUN_BOUND=400
exec "$(dirname "$0")/../sys/probes.t"
