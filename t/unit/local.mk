# Unit tests, one program a file; needs Criterion.
include t/unit/sftp.mk
