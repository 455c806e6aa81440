# One process over pipes, no root.
include t/proc/count.mk
include t/proc/sftp.mk
include t/proc/shim.mk
include t/proc/store.mk
include t/proc/session.mk
TESTS += t/proc/policy.t
EXTRA_DIST += t/proc/policy.t
