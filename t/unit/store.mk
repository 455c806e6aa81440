if CRITERION
check_PROGRAMS += t/unit/cert t/unit/key_options t/unit/keys t/unit/keyfile t/unit/secret t/unit/sealed t/unit/totp t/unit/factor t/unit/database t/unit/activity t/unit/archive_path
TESTS += t/unit/cert t/unit/key_options t/unit/keys t/unit/keyfile t/unit/secret t/unit/sealed t/unit/totp t/unit/factor t/unit/database t/unit/activity t/unit/archive_path
STORE_UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS)
STORE_UNIT_LIBS = libstored.a libbase.a $(SQLITE_LIBS) $(SODIUM_LIBS) $(OATH_LIBS) $(QRENCODE_LIBS) $(CRITERION_LIBS) -lpthread
t_unit_key_options_SOURCES = t/unit/key_options.c
t_unit_key_options_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_key_options_LDADD = $(STORE_UNIT_LIBS)
t_unit_cert_SOURCES = t/unit/cert.c t/lib/certs.h
t_unit_cert_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_cert_LDADD = $(STORE_UNIT_LIBS)
t_unit_keys_SOURCES = t/unit/keys.c
t_unit_keys_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_keys_LDADD = $(STORE_UNIT_LIBS)
t_unit_keyfile_SOURCES = t/unit/keyfile.c
t_unit_keyfile_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_keyfile_LDADD = $(STORE_UNIT_LIBS)
t_unit_secret_SOURCES = t/unit/secret.c
t_unit_secret_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_secret_LDADD = $(STORE_UNIT_LIBS)
t_unit_sealed_SOURCES = t/unit/sealed.c
t_unit_sealed_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_sealed_LDADD = $(STORE_UNIT_LIBS)
t_unit_totp_SOURCES = t/unit/totp.c
t_unit_totp_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_totp_LDADD = $(STORE_UNIT_LIBS)
t_unit_factor_SOURCES = t/unit/factor.c
t_unit_factor_CPPFLAGS = $(STORE_UNIT_CPPFLAGS) $(OATH_CFLAGS)
t_unit_factor_LDADD = $(STORE_UNIT_LIBS)
t_unit_database_SOURCES = t/unit/database.c
t_unit_database_CPPFLAGS = $(STORE_UNIT_CPPFLAGS) -DTREE='"$(abs_top_srcdir)"'
t_unit_database_LDADD = $(STORE_UNIT_LIBS)
t_unit_activity_SOURCES = t/unit/activity.c
t_unit_activity_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_activity_LDADD = $(STORE_UNIT_LIBS)
t_unit_archive_path_SOURCES = t/unit/archive_path.c store/archive/path.c
t_unit_archive_path_CPPFLAGS = $(STORE_UNIT_CPPFLAGS)
t_unit_archive_path_LDADD = libbase.a $(CRITERION_LIBS)
endif

check_PROGRAMS += t/fuzz/cert
TESTS += t/fuzz/cert
t_fuzz_cert_SOURCES = t/fuzz/cert.c t/fuzz/own.h t/lib/certs.h
t_fuzz_cert_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS)
t_fuzz_cert_LDADD = libstored.a libbase.a $(SODIUM_LIBS)
