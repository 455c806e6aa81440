quota_disk_sources = \
	quota/backend.c quota/backend.h \
	quota/place.c quota/place.h \
	quota/tree.c quota/tree.h \
	quota/image.c quota/image.h \
	quota/fuse.c quota/fuse.h \
	quota/fuse_link.c quota/fuse_link.h \
	quota/fuse_start.c quota/fuse_start.h \
	quota/quotafs_proto.h \
	quota/remove.c quota/remove.h \
	quota/ext4.c quota/ext4.h \
	quota/idmap.c quota/idmap.h \
	quota/loopdev.c quota/loopdev.h
