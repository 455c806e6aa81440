#!/bin/bash
# vm: kernels 6.1 6.12
# What one server hoards is missed by nobody, under Debian's kernels.
exec "$(dirname "$0")/../sys/hoard.t"
