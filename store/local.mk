# holdfast-store, holdfast-archive; the store's parts are a library so that unit tests can link them.
noinst_LIBRARIES += libstored.a
libstored_a_SOURCES = \
	store/proto.h \
	store/stored/account.c store/stored/account.h \
	store/stored/activity.c store/stored/activity.h store/stored/activity_in.h \
	store/stored/activity_add.c \
	store/stored/activity_list.c \
	store/stored/activity_read.c \
	store/stored/event.c store/stored/event.h \
	store/stored/event_order.c \
	store/stored/actor.c store/stored/actor.h \
	store/stored/apply.c \
	store/stored/backup.c store/stored/backup.h \
	store/stored/cert.c store/stored/cert.h \
	store/stored/certified.c store/stored/certified.h \
	store/stored/code.c store/stored/code.h \
	store/stored/db.c store/stored/db.h \
	store/stored/factor.c store/stored/factor.h \
	store/stored/folder.c store/stored/folder.h \
	store/stored/keyfile.c store/stored/keyfile.h \
	store/stored/key_command.c \
	store/stored/key_from.c \
	store/stored/key_options.c store/stored/key_options.h \
	store/stored/keys.c store/stored/keys.h \
	store/stored/keys_order.c \
	store/stored/login.c store/stored/login.h \
	store/stored/migrate.c store/stored/migrate.h \
	store/stored/order.c store/stored/order.h \
	store/stored/own.c store/stored/own.h \
	store/stored/own_order.c store/stored/own_order.h \
	store/stored/passwd.c \
	store/stored/passwd_order.c \
	store/stored/password.c store/stored/password.h \
	store/stored/picture.c store/stored/picture.h \
	store/stored/proof.c store/stored/proof.h \
	store/stored/push.c store/stored/push.h \
	store/stored/doing.c store/stored/doing.h \
	store/stored/rates.c store/stored/rates.h \
	store/stored/rotate.c \
	store/stored/sealed.c store/stored/sealed.h \
	store/stored/secret.c store/stored/secret.h \
	store/stored/sources.c \
	store/stored/session.c store/stored/session.h \
	store/stored/session_key.c \
	store/stored/store.h \
	store/stored/totp.c store/stored/totp.h \
	store/stored/totp_order.c \
	store/stored/trust.c store/stored/trust.h \
	store/stored/vault.c store/stored/vault.h \
	store/stored/wanted.c
nodist_libstored_a_SOURCES = store/stored/schema.inc store/stored/verbs.inc
libstored_a_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS) $(OATH_CFLAGS) $(QRENCODE_CFLAGS)

pkglibexec_PROGRAMS += holdfast-store
holdfast_store_SOURCES = \
	store/stored/aid.c store/stored/aid.h \
	store/stored/lock.c store/stored/lock.h \
	store/stored/main.c \
	store/stored/pwhash.c store/stored/pwhash.h
holdfast_store_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS)
holdfast_store_LDADD = libstored.a liblock.a libbase.a $(SQLITE_LIBS) $(SODIUM_LIBS) $(OATH_LIBS) $(QRENCODE_LIBS)

# The steps of the schema, as rows of a C table.
SCHEMA = $(srcdir)/store/schema/001-start.sql $(srcdir)/store/schema/002-own-keys.sql \
	$(srcdir)/store/schema/003-generation.sql $(srcdir)/store/schema/004-vault.sql \
	$(srcdir)/store/schema/005-sources.sql $(srcdir)/store/schema/006-key-options.sql \
	$(srcdir)/store/schema/007-second-factor.sql $(srcdir)/store/schema/008-wanted.sql
BUILT_SOURCES += store/stored/schema.inc store/stored/verbs.inc
CLEANFILES += store/stored/schema.inc store/stored/verbs.inc
EXTRA_DIST += store/SCHEMA $(SCHEMA) store/stored/RIGHTS store/archive/RIGHTS
store/stored/schema.inc: $(SCHEMA)
	@$(MKDIR_P) store/stored
	$(AM_V_GEN)for f in $(SCHEMA); do \
		n=`basename $$f .sql`; d=`expr $$n : '\([0-9]*\)-'`; \
		echo "{ .number = `expr $$d + 0`, .name = \"$$n\", .sql ="; \
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/    "/; s/$$/\\n"/' $$f; \
		echo "},"; \
	done >$@.new && mv $@.new $@

# The names of the verbs, of which a key's forced command must be one.
store/stored/verbs.inc: $(srcdir)/sshd/session/verbs.c
	@$(MKDIR_P) store/stored
	$(AM_V_GEN)sed -n -e 's/^ *{ \.name = "\([^"]*\)".*/    "\1",/p' -e '/^ *SUM(/{s/ *SUM(\("[^"]*"\)),*/    \1,/gp}' $< >$@.new && \
		mv $@.new $@

# Also where only one target is asked for, BUILT_SOURCES not being made then.
store/stored/libstored_a-migrate.$(OBJEXT): store/stored/schema.inc
store/stored/libstored_a-key_command.$(OBJEXT): store/stored/verbs.inc
store/stored/holdfast_store-lock.$(OBJEXT): sandbox/lock/store.bpf.h sandbox/lock/pwhash.bpf.h
store/archive/holdfast_archive-main.$(OBJEXT): sandbox/lock/archive.bpf.h sandbox/lock/unpack.bpf.h
BUILT_SOURCES += sandbox/lock/store.bpf.h sandbox/lock/pwhash.bpf.h
CLEANFILES += sandbox/lock/store.bpf.h sandbox/lock/pwhash.bpf.h
EXTRA_DIST += etc/seccomp/store.policy etc/seccomp/pwhash.policy

pkglibexec_PROGRAMS += holdfast-archive
holdfast_archive_SOURCES = \
	store/archive/empty.c \
	store/archive/main.c \
	store/archive/path.c store/archive/path.h \
	store/archive/tree.c store/archive/tree.h \
	store/archive/unpack.c store/archive/unpack.h \
	store/archive/walk.c store/archive/walk.h \
	store/archive/writer.c store/archive/writer.h
holdfast_archive_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS)
holdfast_archive_LDADD = liblock.a libbase.a $(ARCHIVE_LIBS)
BUILT_SOURCES += sandbox/lock/archive.bpf.h sandbox/lock/unpack.bpf.h
CLEANFILES += sandbox/lock/archive.bpf.h sandbox/lock/unpack.bpf.h
EXTRA_DIST += etc/seccomp/archive.policy etc/seccomp/unpack.policy
