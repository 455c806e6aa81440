quota_disk_sources = \
	quota/backend.c quota/backend.h \
	quota/place.c quota/place.h \
	quota/tree.c quota/tree.h \
	quota/image.c quota/image.h \
	quota/btrfs.c quota/btrfs.h \
	quota/btrfs_gone.c quota/btrfs_gone.h \
	quota/btrfs_group.c quota/btrfs_group.h \
	quota/btrfs_subvol.c quota/btrfs_subvol.h \
	quota/btrfs_tree.c quota/btrfs_tree.h \
	quota/ext4.c quota/ext4.h \
	quota/idmap.c quota/idmap.h \
	quota/loopdev.c quota/loopdev.h
