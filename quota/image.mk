quota_image_sources = \
	quota/image.c quota/image.h \
	quota/ext4.c quota/ext4.h \
	quota/idmap.c quota/idmap.h \
	quota/loopdev.c quota/loopdev.h
