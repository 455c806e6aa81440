# Samples, the unit, system users, completion, man pages.
samplesdir = $(docdir)/samples
dist_samples_DATA = etc/holdfast.ini etc/accounts.ini etc/teeworlds
samplesserversdir = $(samplesdir)/servers.d
dist_samplesservers_DATA = etc/servers.d/example.ini

unitdir = $(prefix)/lib/systemd/system
nodist_unit_DATA = etc/holdfast.service
CLEANFILES += etc/holdfast.service
etc/holdfast.service: etc/holdfast.service.in Makefile
	@$(MKDIR_P) etc
	$(AM_V_GEN)sed -e 's,@sbindir[@],$(sbindir),' -e 's,@bindir[@],$(bindir),' $(srcdir)/etc/holdfast.service.in >$@.new && mv $@.new $@

completiondir = $(datadir)/bash-completion/completions
# Each is installed under the name that its reader looks for.
install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(completiondir) $(DESTDIR)$(prefix)/lib/sysusers.d $(DESTDIR)$(prefix)/lib/tmpfiles.d
	$(INSTALL_DATA) $(srcdir)/etc/holdfast.bash $(DESTDIR)$(completiondir)/holdfast
	$(INSTALL_DATA) $(srcdir)/etc/sysusers.conf $(DESTDIR)$(prefix)/lib/sysusers.d/holdfast.conf
	$(INSTALL_DATA) $(srcdir)/etc/tmpfiles.conf $(DESTDIR)$(prefix)/lib/tmpfiles.d/holdfast.conf
uninstall-hook:
	rm -f $(DESTDIR)$(completiondir)/holdfast $(DESTDIR)$(prefix)/lib/sysusers.d/holdfast.conf \
		$(DESTDIR)$(prefix)/lib/tmpfiles.d/holdfast.conf
	@for d in $(samplesserversdir) $(samplesdir) $(docdir) $(pkglibexecdir); do \
		test ! -d "$(DESTDIR)$$d" || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$d"; done

dist_man_MANS += etc/man/holdfastd.8 etc/man/holdfast.8 etc/man/holdfast.ini.5 etc/man/holdfast-ssh.7
EXTRA_DIST += etc/holdfast.service.in etc/holdfast.bash etc/sysusers.conf etc/tmpfiles.conf etc/quickstart etc/deb
