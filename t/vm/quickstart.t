#!/bin/bash
# vm: bare
# vm: bound 3000
# The first command of README, from a checkout on a Debian 12 where nothing of holdfast is installed: it builds, the daemon comes up under
# systemd with limits required, and the game server answers.  Debian's packages are there already, as this machine has no network.
. "$(dirname "$0")/../lib/tap.sh"
HERE=$TAP_HERE
need_root
[ -d /run/systemd/system ] || skip_all "systemd does not run here (t/vm/run has one)"
[ ! -e /usr/local/sbin/holdfastd ] && [ ! -e /etc/holdfast ] || skip_all "holdfast is installed here"
RUN_BOUND=2700
scratch
cd "$HERE" || bail "no $HERE"
# Emulated processors compile slowly.
export CFLAGS=-O1
ok "etc/quickstart" etc/quickstart
while IFS= read -r l; do diag "$l"; done <<<"$out$err"
[ "$rc" = 0 ] || { journalctl -u holdfast -n 20 --no-pager | while IFS= read -r l; do diag "$l"; done; bail "no quickstart, no more to see"; }
RUN_BOUND=300
is "$(systemctl is-active holdfast)" active "the unit is active"
is "$(sed -n 's/^limits = //p' /etc/holdfast/holdfast.ini)" required "limits are required"
unlike "$out" 'NOT enforced' "and it does not say that they are missing"
with=$(sed -n 's/^ *ssh \(.*demo@[0-9.]*\) .*start arena --wait.*/\1/p' <<<"$out")
isnt "$with" "" "it prints how to start arena"
read -ra SSH <<<"$with"
hf() { timeout 300 ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes "${SSH[@]}" "$@"; }
ok "which is logged in with" hf whoami
exits 0 "start arena --wait" hf start arena --wait --timeout 200
where=$(hf status arena --json | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["address"])')
game() { timeout 90 python3 "$HERE/t/lib/teeworlds.py" "$where" 8303 60; }
like "$(game)" 'dm1' "Teeworlds answers on its UDP port"
diag "$(game)"
is "$(cat /sys/fs/cgroup/holdfast/arena/memory.max)" $((512 << 20)) "with its memory limit"
ok "etc/quickstart once more" etc/quickstart
like "$(game)" 'dm1' "does no harm"
ok "etc/quickstart --stop" etc/quickstart --stop
is "$(awk '$5 ~ "^/var/lib/holdfast/"' /proc/self/mountinfo; losetup -nl -O BACK-FILE | grep holdfast)" "" "no mount and no loop device stays"
is "$(find /sys/fs/cgroup -maxdepth 1 -name 'holdfast*')" "" "nor a group"
ok "etc/quickstart --stop --purge" etc/quickstart --stop --purge
is "$(find /etc /var/lib /usr/local -xdev -path '*holdfast*' -not -path '*/systemd/*' | head -n 5)" "" "removes what it made"
done_testing
