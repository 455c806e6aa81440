# Unit tests, one program a file; needs Criterion.
include t/unit/launch.mk
include t/unit/sftp.mk
include t/unit/conf.mk
include t/unit/shim.mk
include t/unit/store.mk
include t/unit/session.mk
include t/unit/base.mk
include t/unit/quota.mk
