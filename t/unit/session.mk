if CRITERION
check_PROGRAMS += t/unit/json t/unit/blob t/unit/wire t/unit/display t/unit/random t/unit/proof t/unit/rsync t/unit/noted t/unit/gauge t/unit/outfile t/unit/eager
TESTS += t/unit/json t/unit/blob t/unit/wire t/unit/display t/unit/random t/unit/proof t/unit/rsync t/unit/noted t/unit/gauge t/unit/outfile t/unit/eager
t_unit_display_SOURCES = t/unit/display.c sshd/session/display.c
t_unit_display_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_display_LDADD = $(CRITERION_LIBS)
t_unit_rsync_SOURCES = t/unit/rsync.c sshd/session/rsync_args.c
t_unit_rsync_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_rsync_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_json_SOURCES = t/unit/json.c
t_unit_json_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_json_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_blob_SOURCES = t/unit/blob.c sshd/session/blob.c
t_unit_blob_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_blob_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_wire_SOURCES = t/unit/wire.c sshd/session/wire.c
t_unit_wire_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_wire_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_random_SOURCES = t/unit/random.c sshd/session/random.c
t_unit_random_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_random_LDADD = libbase.a $(CRITERION_LIBS) -lcrypto
t_unit_proof_SOURCES = t/unit/proof.c sshd/session/proof.c
t_unit_proof_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_proof_LDADD = libbase.a $(CRITERION_LIBS) -lcrypto
t_unit_gauge_SOURCES = t/unit/gauge.c sshd/session/gauge.c
t_unit_gauge_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) $(LIBSSH_CFLAGS)
t_unit_gauge_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_noted_SOURCES = t/unit/noted.c sshd/session/activity.c
t_unit_noted_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS) $(LIBSSH_CFLAGS)
t_unit_noted_LDADD = libbase.a $(CRITERION_LIBS)
t_unit_eager_SOURCES = t/unit/eager.c sshd/session/eager.c
t_unit_eager_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_eager_LDADD = libbase.a $(CRITERION_LIBS)

t_unit_outfile_SOURCES = t/unit/outfile.c sshd/session/outfile.c
t_unit_outfile_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
t_unit_outfile_LDADD = libbase.a $(CRITERION_LIBS)
endif
