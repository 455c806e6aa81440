quota_disk_sources = \
	quota/backend.c quota/backend.h \
	quota/place.c quota/place.h \
	quota/tree.c quota/tree.h \
	quota/erase.c quota/erase.h \
	quota/prjquota.c quota/prjquota.h \
	quota/project.c quota/project.h \
	quota/command.c quota/command.h \
	quota/dataset.c quota/dataset.h \
	quota/zfs.c quota/zfs.h \
	quota/image.c quota/image.h \
	quota/ext4.c quota/ext4.h \
	quota/idmap.c quota/idmap.h \
	quota/loopdev.c quota/loopdev.h
