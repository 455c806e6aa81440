# Unit tests, one program a file; needs Criterion.
