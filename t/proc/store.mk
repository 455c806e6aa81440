TESTS += t/proc/store.t t/proc/storekill.t t/proc/archive.t t/proc/image.t
EXTRA_DIST += t/proc/store.t t/proc/storekill.t t/proc/archive.t t/proc/image.t t/lib/link.py
