#!/bin/bash
# Where standard error is the journal's socket, every program's lines say how serious they are, as systemd reads it.  A mount namespace has a journal
# of its own.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need unshare python3
scratch
programs=${BUILD:-$TAP_HERE/build}
[ -x "$programs/holdfast-store" ] || skip_all "BUILD= names no build"
cat >"$SCRATCH/journal.py" <<'E2'
import os, socket, subprocess, sys
where = sys.argv[1]
os.makedirs(os.path.dirname(where))
l = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
l.bind(where)
l.listen(20)
for program in sys.argv[2:]:
    err = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    err.connect(where)
    got, _ = l.accept()
    subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, timeout=30)
    err.close()
    print(got.makefile().read().strip() or f"{program}: nothing", flush=True)
E2
mount_and() { unshare -m sh -c 'mount -t tmpfs none /run && exec "$@"' sh python3 "$SCRATCH/journal.py" "$@"; }
all=()
for p in store files archive filter policy; do all+=("$programs/holdfast-$p"); done
run mount_and /run/systemd/journal/stdout "${all[@]}"
is "$(grep -cE '^<3>[0-9TZ:.-]+ holdfast-[a-z]+\[[0-9]+\]: error: ' <<<"$out")" "${#all[@]}" "an error is <3>"
diag "$out"
run mount_and /run/systemd/journal/other "${all[@]}"
is "$(grep -c '^<' <<<"$out")" 0 "another socket is no journal"
is "$(grep -cE '^[0-9TZ:.-]+ holdfast-[a-z]+\[[0-9]+\]: error: ' <<<"$out")" "${#all[@]}" "its lines are as always"
done_testing
