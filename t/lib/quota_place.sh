# Where the servers of a test have their files: for each backend a file system that it can be had on.  Source after tap.sh and rig.sh.
#
#   quota_place          makes it for $QUOTA_BACKEND, or skips the test with the reason; sets $SCRATCH, and $TMPDIR for t/rig where the state
#                        must lie on it
#   quota_ini, quota_server    lines for the rig's ini: its own sections, and keys of a server

# shellcheck shell=bash
# QUOTA_BACKEND -> the file system below it ("-": the machine's own).
declare -A QUOTA_BELOW=([image]=- [none]=- [fuse]=- [broken]=- [btrfs]=btrfs [project]=xfs [zfs]=zfs)

# Whether a key of a server is known to the build.
quota_knows() { grep -qE "O\\([a-z_]+, \"$1\", " "$HERE/base/conf_options.h"; }

quota_loop() {
    local kind=$1 size=$2
    need "mkfs.$kind"
    truncate -s "$size" "$SCRATCH/below.img"
    "mkfs.$kind" -q "$SCRATCH/below.img" >/dev/null 2>&1 || skip_all "mkfs.$kind fails"
    mkdir "$SCRATCH/below"
    mount -o loop"$3" "$SCRATCH/below.img" "$SCRATCH/below" 2>/dev/null || skip_all "this kernel mounts no $kind$3"
    cleanup umount "$SCRATCH/below"
    chmod 0755 "$SCRATCH/below"
    export TMPDIR=$SCRATCH/below
}

# A pool in a file.
quota_pool() {
    local pool=hf$$
    command -v zpool >/dev/null || skip_all "no zpool"
    [ -c /dev/zfs ] || modprobe zfs 2>/dev/null || skip_all "this kernel has no ZFS"
    wait_until 30 test -c /dev/zfs
    truncate -s 3G "$SCRATCH/below.img"
    zpool create -f -O mountpoint="$SCRATCH/below" -O compression=off "$pool" "$SCRATCH/below.img" || skip_all "no pool can be made"
    cleanup zpool destroy -f "$pool"
    chmod 0755 "$SCRATCH/below"
    export TMPDIR=$SCRATCH/below
}

quota_place() {
    local below=${QUOTA_BELOW[$QUOTA_BACKEND]:-}
    [ -n "$below" ] || skip_all "unknown backend $QUOTA_BACKEND"
    [ "$QUOTA_BACKEND" = image ] || [ "$QUOTA_BACKEND" = broken ] || quota_knows quota || skip_all "this build has the image backend only"
    [ "$QUOTA_BACKEND" != fuse ] || [ -x "${BUILD:-$HERE/build}/holdfast-quotafs" ] || skip_all "holdfast-quotafs is not built"
    scratch
    chmod 0755 "$SCRATCH"
    case $below in
    btrfs) quota_loop btrfs 3G "" ;;
    xfs) quota_loop xfs 3G ,prjquota ;;
    zfs) quota_pool ;;
    esac
}

quota_ini() { :; }
quota_server() {
    case $QUOTA_BACKEND in
    # A wall a hundred times as far away as it should be is none.
    broken) echo "disk = 6G"; echo "inodes = 1500000" ;;
    none) echo "quota = none, unsafe" ;;
    *) ! quota_knows quota || echo "quota = $QUOTA_BACKEND" ;;
    esac
}
