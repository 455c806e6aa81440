# The connection: SSH, and the verbs people type.
pkglibexec_PROGRAMS += holdfast-session
holdfast_session_SOURCES = \
	sshd/session/activity.c \
	sshd/session/asked.c sshd/session/asked.h \
	sshd/session/auth.c sshd/session/auth.h \
	sshd/session/auth_code.c \
	sshd/session/blob.c sshd/session/blob.h \
	sshd/session/channel.c sshd/session/channel.h \
	sshd/session/complete.c sshd/session/complete.h \
	sshd/session/complete_files.c sshd/session/complete_files.h \
	sshd/session/conn.c sshd/session/conn.h \
	sshd/session/doing.c sshd/session/doing.h \
	sshd/session/display.c sshd/session/display.h \
	sshd/session/eager.c sshd/session/eager.h \
	sshd/session/errand.c sshd/session/errand.h \
	sshd/session/exec.c sshd/session/exec.h \
	sshd/session/exec_options.c \
	sshd/session/exec_files.c sshd/session/exec_files.h \
	sshd/session/hostkeys.c sshd/session/hostkeys.h \
	sshd/session/interactive.c \
	sshd/session/lockdown.c sshd/session/lockdown.h \
	sshd/session/main.c \
	sshd/session/pace.c sshd/session/pace.h \
	sshd/session/prompt.c sshd/session/prompt.h \
	sshd/session/proof.c sshd/session/proof.h \
	sshd/session/qr.c sshd/session/qr.h \
	sshd/session/random.c \
	sshd/session/relay.c sshd/session/relay.h \
	sshd/session/rights.c \
	sshd/session/rsync_args.c sshd/session/rsync_args.h \
	sshd/session/scp.h \
	sshd/session/scp_glob.c \
	sshd/session/scp_line.c \
	sshd/session/scp_sink.c \
	sshd/session/scp_source.c \
	sshd/session/scp_walk.c \
	sshd/session/session.h \
	sshd/session/since.c sshd/session/since.h \
	sshd/session/status.c sshd/session/status.h \
	sshd/session/store.c \
	sshd/session/gauge.c sshd/session/gauge.h \
	sshd/session/typed.c sshd/session/typed.h \
	sshd/session/verb_top.c \
	sshd/session/verb_activity.c \
	sshd/session/verb_events.c \
	sshd/session/verb_keys.c \
	sshd/session/verb_backup.c \
	sshd/session/verb_console.c \
	sshd/session/verb_df.c \
	sshd/session/verb_du.c \
	sshd/session/verb_info.c \
	sshd/session/verb_limits.c \
	sshd/session/verb_logs.c \
	sshd/session/verb_passwd.c \
	sshd/session/verb_power.c \
	sshd/session/verb_quota.c \
	sshd/session/verb_rsync.c \
	sshd/session/verb_scp.c \
	sshd/session/verb_send.c \
	sshd/session/verb_shell.c \
	sshd/session/verb_status.c \
	sshd/session/verb_sum.c \
	sshd/session/verb_test.c \
	sshd/session/verb_totp.c \
	sshd/session/verbs.c sshd/session/verbs.h \
	sshd/session/viewer.c sshd/session/viewer.h \
	sshd/session/watch.c \
	sshd/session/wire.c sshd/session/wire.h
include sshd/session/sftp.mk
holdfast_session_SOURCES += $(session_sftp_sources)
holdfast_session_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSSH_CFLAGS)
# nogss.c says why.  Found beside the program, wherever that lies.
pkglibexec_PROGRAMS += libgssapi_krb5.so.2
libgssapi_krb5_so_2_SOURCES = sshd/session/nogss.c
libgssapi_krb5_so_2_CFLAGS = $(AM_CFLAGS) -fPIC -fno-sanitize=all
libgssapi_krb5_so_2_LDFLAGS = -shared -nostdlib -Wl,-soname,libgssapi_krb5.so.2 -Wl,--version-script=$(srcdir)/sshd/session/nogss.map \
	-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
EXTRA_libgssapi_krb5_so_2_DEPENDENCIES = sshd/session/nogss.map
EXTRA_DIST += sshd/session/nogss.map
holdfast_session_DEPENDENCIES = liblock.a libbase.a libgssapi_krb5.so.2
holdfast_session_LDADD = liblock.a libbase.a $(LIBSSH_LIBS) -lcrypto
# libssh finds these five in the program itself.
holdfast_session_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic-symbol=recv -Wl,--export-dynamic-symbol=send \
	-Wl,--export-dynamic-symbol=poll -Wl,--export-dynamic-symbol=RAND_bytes \
	-Wl,--export-dynamic-symbol=EVP_DigestVerify \
	-Wl,--no-as-needed libgssapi_krb5.so.2 -Wl,--as-needed -Wl,-rpath,'$$ORIGIN'
BUILT_SOURCES += sandbox/lock/session.bpf.h
CLEANFILES += sandbox/lock/session.bpf.h
EXTRA_DIST += etc/seccomp/session.policy sshd/session/RIGHTS
