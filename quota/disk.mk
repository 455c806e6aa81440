quota_disk_sources = \
	quota/backend.c quota/backend.h \
	quota/place.c quota/place.h \
	quota/tree.c quota/tree.h \
	quota/image.c quota/image.h \
	quota/e2fs.c quota/e2fs.h \
	quota/ext4.c quota/ext4.h \
	quota/limit.c quota/limit.h \
	quota/found.c quota/found.h \
	quota/grow.c quota/grow.h \
	quota/idmap.c quota/idmap.h \
	quota/loopdev.c quota/loopdev.h
