TESTS += t/proc/store.t t/proc/archive.t
EXTRA_DIST += t/proc/store.t t/proc/archive.t t/lib/link.py
