quota_disk_sources = \
	quota/backend.c quota/backend.h \
	quota/choose.c quota/choose.h \
	quota/copier.c quota/copier.h \
	quota/migrate.c quota/migrate.h \
	quota/place.c quota/place.h \
	quota/record.c quota/record.h \
	quota/tree.c quota/tree.h \
	quota/none.c quota/none.h \
	quota/erase.c quota/erase.h \
	quota/prjquota.c quota/prjquota.h \
	quota/project.c quota/project.h \
	quota/command.c quota/command.h \
	quota/dataset.c quota/dataset.h \
	quota/zfs.c quota/zfs.h \
	quota/image.c quota/image.h \
	quota/btrfs.c quota/btrfs.h \
	quota/btrfs_gone.c quota/btrfs_gone.h \
	quota/btrfs_group.c quota/btrfs_group.h \
	quota/btrfs_subvol.c quota/btrfs_subvol.h \
	quota/btrfs_tree.c quota/btrfs_tree.h \
	quota/e2fs.c quota/e2fs.h \
	quota/fuse.c quota/fuse.h \
	quota/fuse_link.c quota/fuse_link.h \
	quota/fuse_start.c quota/fuse_start.h \
	quota/quotafs_proto.h \
	quota/ext4.c quota/ext4.h \
	quota/kind.h \
	quota/limit.c quota/limit.h \
	quota/found.c quota/found.h \
	quota/grow.c quota/grow.h \
	quota/idmap.c quota/idmap.h \
	quota/loopdev.c quota/loopdev.h
