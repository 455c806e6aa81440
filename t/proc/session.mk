# One connection with real ssh clients; the programs and the helper stand in the build tree and here.
TESTS += t/proc/session.t
EXTRA_DIST += t/proc/session.t
