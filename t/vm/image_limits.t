#!/bin/bash
# vm: kernels 6.1 6.12
# vm: bound 1500
# Changed limits of images, where the kernel lets root grow what is mounted.
export RUN_BOUND=400
exec "$(dirname "$0")/../sys/image_limits.t"
