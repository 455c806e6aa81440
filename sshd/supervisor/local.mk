include sshd/supervisor/ini.mk

sbin_PROGRAMS += holdfastd
holdfastd_SOURCES = \
	sshd/proto.h store/proto.h sandbox/proto.h \
	sshd/supervisor/adopt.c sshd/supervisor/adopt.h \
	sshd/supervisor/backup.c sshd/supervisor/backup.h \
	sshd/supervisor/cgroup.c sshd/supervisor/cgroup.h \
	sshd/supervisor/cgroup_shell.c sshd/supervisor/cgroup_shell.h \
	sshd/supervisor/child.c sshd/supervisor/child.h \
	sshd/supervisor/conn.c sshd/supervisor/conn.h \
	sshd/supervisor/disk.c sshd/supervisor/disk.h \
	sshd/supervisor/doctor.c sshd/supervisor/doctor.h \
	sshd/supervisor/doctor_net.c sshd/supervisor/doctor_visit.h \
	sshd/supervisor/doctor_quota.c quota/kind.h \
	sshd/supervisor/errand.c sshd/supervisor/errand.h \
	sshd/supervisor/errand_run.h sshd/supervisor/errand_start.c \
	sshd/supervisor/filter.c sshd/supervisor/filter.h \
	sshd/supervisor/policy.c sshd/supervisor/policy.h \
	sshd/supervisor/folder.c sshd/supervisor/folder.h \
	sshd/supervisor/forward.c sshd/supervisor/forward.h \
	sshd/supervisor/handles.c sshd/supervisor/handles.h \
	sshd/supervisor/hold.c sshd/supervisor/hold.h \
	sshd/supervisor/hostkey.c sshd/supervisor/hostkey.h \
	sshd/supervisor/image.c sshd/supervisor/image.h \
	sshd/supervisor/import.c sshd/supervisor/import.h \
	sshd/supervisor/launch.c sshd/supervisor/launch.h \
	sshd/supervisor/leave.c sshd/supervisor/leave.h \
	sshd/supervisor/life.c sshd/supervisor/life.h \
	sshd/supervisor/limits.c sshd/supervisor/limits.h \
	sshd/supervisor/listen.c sshd/supervisor/listen.h \
	sshd/supervisor/main.c sshd/supervisor/super.h \
	sshd/supervisor/notify.c sshd/supervisor/notify.h \
	sshd/supervisor/order.c sshd/supervisor/order.h \
	sshd/supervisor/plan.c sshd/supervisor/plan.h \
	sshd/supervisor/prompt.c sshd/supervisor/prompt.h \
	sshd/supervisor/reason.c sshd/supervisor/reason.h \
	sshd/supervisor/refuse.c sshd/supervisor/refuse.h \
	sshd/supervisor/reload.c sshd/supervisor/reload.h \
	sshd/supervisor/secret.c sshd/supervisor/secret.h \
	sshd/supervisor/server.c sshd/supervisor/server.h \
	sshd/supervisor/shares.c sshd/supervisor/shares.h \
	sshd/supervisor/shell.c \
	sshd/supervisor/source.c sshd/supervisor/source.h \
	sshd/supervisor/source_keep.c sshd/supervisor/source_keep.h \
	sshd/supervisor/source_table.c sshd/supervisor/source_table.h \
	sshd/supervisor/spare.c sshd/supervisor/spare.h \
	sshd/supervisor/standing.c sshd/supervisor/standing.h \
	sshd/supervisor/states.c sshd/supervisor/states.h \
	sshd/supervisor/store.c sshd/supervisor/store.h \
	sshd/supervisor/store_aid.c sshd/supervisor/store_aid.h \
	sshd/supervisor/store_conf.c sshd/supervisor/store_conf.h \
	sshd/supervisor/store_files.c sshd/supervisor/store_files.h \
	sshd/supervisor/tool.c sshd/supervisor/tool.h sshd/supervisor/tool_client.h \
	sshd/supervisor/tool_ban.c sshd/supervisor/tool_ban.h \
	sshd/supervisor/tool_image.c sshd/supervisor/tool_image.h \
	sshd/supervisor/tool_plan.c sshd/supervisor/tool_plan.h \
	sshd/supervisor/tool_power.c sshd/supervisor/tool_power.h \
	sshd/supervisor/tool_quota.c sshd/supervisor/tool_quota.h \
	sshd/supervisor/tool_quota_migrate.c sshd/supervisor/tool_quota_migrate.h \
	sshd/supervisor/tool_server.c sshd/supervisor/tool_server.h \
	sshd/supervisor/tool_store.c sshd/supervisor/tool_store.h \
	sshd/supervisor/sink.c sshd/supervisor/sink.h \
	sshd/supervisor/news.c sshd/supervisor/news.h \
	sshd/supervisor/metrics.c sshd/supervisor/metrics.h \
	sshd/supervisor/turn.c sshd/supervisor/turn.h \
	sshd/supervisor/usage.c sshd/supervisor/usage.h \
	sshd/supervisor/told.c sshd/supervisor/told.h \
	sshd/supervisor/usage_disk.c sshd/supervisor/usage_disk.h \
	sshd/supervisor/count.c sshd/supervisor/count.h quota/proto.h \
	sshd/supervisor/warn.c sshd/supervisor/warn.h \
	sshd/supervisor/wait.c sshd/supervisor/wait.h \
	sshd/supervisor/wish.c sshd/supervisor/wish.h \
	sshd/supervisor/worker.c sshd/supervisor/worker.h \
	$(supervisor_ini_sources)
holdfastd_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS) $(CAP_CFLAGS) -DVERSION='"$(PACKAGE_VERSION)"'
holdfastd_LDADD = libgate.a libpolicy.a libbase.a $(INIH_LIBS) $(CAP_LIBS)
EXTRA_DIST += sshd/PROTOCOL sshd/supervisor/RIGHTS
