# holdfast, the admin's tool.
bin_PROGRAMS += holdfast
holdfast_SOURCES = \
	sshd/proto.h \
	sshd/tool/config.c sshd/tool/config.h \
	sshd/tool/hostkeys.c \
	sshd/tool/image.c \
	sshd/tool/main.c \
	sshd/tool/quota.c \
	sshd/tool/request.c \
	sshd/tool/secret.c \
	sshd/tool/store.c \
	sshd/tool/tool.h
holdfast_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
holdfast_LDADD = libbase.a $(SODIUM_LIBS)
EXTRA_DIST += sshd/tool/RIGHTS
