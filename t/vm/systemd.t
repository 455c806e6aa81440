#!/bin/bash
# The unit under systemd as an admin installs it: users, folders, start, watchdog, restart, stop, a killed daemon; servers live on through all
# of it, and neither systemd nor the groups of servers disturb each other.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -d /run/systemd/system ] || skip_all "systemd does not run here (t/vm/run has one)"
[ -n "$(systemctl cat holdfast.service 2>/dev/null)" ] || skip_all "holdfast.service is not installed"
RUN_BOUND=300
HOST=127.0.0.1 PORT=2222 G=/sys/fs/cgroup
scratch
HAD=$(systemctl --failed --no-legend | wc -l)

# --- what the packages' hooks do ------------------------------------------------------------------------------------------------------

ok "systemd-sysusers makes the users" systemd-sysusers
for u in holdfast-store holdfast-shim holdfast-filter; do
    like "$(getent passwd $u)" '^[^:]*:x:[0-9]+:[0-9]+:.*:/nonexistent:/usr/sbin/nologin$' "$u is a system user without a home or a shell"
done
ok "systemd-tmpfiles makes the folders" systemd-tmpfiles --create holdfast.conf
is "$(stat -c '%U %a' /run/holdfast /var/lib/holdfast | sort -u)" "root 711" "of root's, 0711"
is "$(systemd-analyze verify holdfast.service 2>&1 | grep -i holdfast | grep -v "'man ")" "" "the unit has no line that systemd does not know"

# --- a configuration ----------------------------------------------------------------------------------------------------------------------

CONF=$(holdfastd -h | sed -n 's/.*instead of //p')
install -d -m 0700 "$CONF" "$CONF/accounts.d" "$CONF/servers.d"
ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/alice" </dev/null
(
    umask 077
    echo >"$CONF/holdfast.ini"
    printf '[account alice]\nkey = %s\n' "$(cat "$SCRATCH/alice.pub")" >"$CONF/accounts.ini"
    cat >"$CONF/servers.d/one.ini" <<'E2'
[server one]
owner = alice
command = /bin/bash ./run
memory = 96M
tmp = 16M
cpu = 50%
pids = 64
disk = 16M
[server slow]
owner = alice
command = /bin/bash ./run
stop_timeout = 60s
disk = 16M
E2
)
cat >"$SCRATCH/ssh_config" <<E2
Host alice
    HostName $HOST
    Port $PORT
    User alice
    IdentityFile $SCRATCH/alice
    IdentitiesOnly yes
    UserKnownHostsFile $SCRATCH/known_hosts
    StrictHostKeyChecking accept-new
    BatchMode yes
    ConnectTimeout 60
    LogLevel ERROR
E2
SSH=(ssh -F "$SCRATCH/ssh_config") SFTP=(sftp -F "$SCRATCH/ssh_config")
ok "holdfastd -t is content with this machine" holdfastd -t
diag "$out"

# --- start --------------------------------------------------------------------------------------------------------------------------------

unit() { systemctl show -p "$1" --value holdfast.service; }
main() { unit MainPID; }
ok "systemctl start" systemctl start holdfast.service
is "$(unit Type) $(unit ActiveState) $(unit SubState)" "notify active running" "it has said that it is ready"
ok "and is: a login" hf alice whoami
exe=$(readlink "/proc/$(main)/exe")
like "$exe" '/holdfastd$' "its main process is the daemon"
is "$(cat "/proc/$(main)/cgroup")" "0::/system.slice/holdfast.service" "in the unit's group"
started_at=$(unit ExecMainStartTimestampMonotonic)
ok "enable" systemctl enable --quiet holdfast.service

put_run one <"$HERE/t/payload/echo"
exits 0 "a server starts, with limits required" hf alice start one --wait --timeout 120
one=$(field one pid)
is "$(cat "/proc/$one/cgroup")" "0::/holdfast/one" "in a group of its own, outside of the unit's"
limits() { echo "$(cat $G/holdfast/one/memory.max) $(cat $G/holdfast/one/pids.max) $(cat $G/holdfast/one/cpu.max)"; }
WANT="100663296 64 50000 100000"
is "$(limits)" "$WANT" "with its limits"
shim=$(awk '$1 == "PPid:" { print $2 }' "/proc/$one/status")
is "$(cat "/proc/$shim/cgroup")" "0::/holdfast/.shims" "its shim is outside of the unit's group as well"
exits 0 "its console takes a line" hf alice send one "first words"
heard() { hf alice logs one -n 50 | grep -q "heard: $1"; }
ok "and hears" wait_until 60 heard "first words"
diag "$(hf alice logs one -n 5)"
history() {
    (sleep 90) | timeout 100 "${SSH[@]}" -tt alice console one >"$SCRATCH/console" 2>/dev/null &
    local viewer=$!
    wait_until 90 grep -q "$1" "$SCRATCH/console"
    local found=$?
    kill $viewer $(jobs -p) 2>/dev/null
    wait $viewer 2>/dev/null
    return $found
}
same() {
    wait_until 90 hf alice true
    is "$(field one pid) $(field one state)" "$one running" "$1: the server runs on and is found"
    ok "$1: its console has its history" history 'heard: first words'
    exits 0 "$1: takes a line" hf alice send one "$1"
    ok "$1: and hears" wait_until 60 heard "$1"
    is "$(limits)" "$WANT" "$1: its limits stand"
}

# --- restart, stop, reload ------------------------------------------------------------------------------------------------------------------

old=$(main)
ok "systemctl restart" systemctl restart holdfast.service
isnt "$(main)" "$old" "another daemon"
same "restart"
ok "systemctl stop" systemctl stop holdfast.service
is "$(unit ActiveState) $(unit Result)" "inactive success" "the unit is inactive"
ok "the server lives" kill -0 "$one"
is "$(cat $G/system.slice/holdfast.service/cgroup.procs 2>/dev/null)" "" "no process of the unit is left"
nok "nobody listens" bash -c "exec 3<>/dev/tcp/$HOST/$PORT"
ok "systemctl start" systemctl start holdfast.service
same "start"
old=$(main)
sed -i 's/^cpu = .*/cpu = 60%/' "$CONF/servers.d/one.ini"
ok "systemctl reload" systemctl reload holdfast.service
WANT="100663296 64 60000 100000"
is "$(main) $(limits)" "$old $WANT" "the same daemon, new limits"
echo 'nonsense' >>"$CONF/servers.d/one.ini"
nok "systemctl reload says when the configuration is wrong" systemctl reload holdfast.service
is "$(main) $(limits)" "$old $WANT" "and nothing changes"
sed -i '/^nonsense/d' "$CONF/servers.d/one.ini"

# --- all of the unit's processes killed -------------------------------------------------------------------------------------------------------

ok "systemctl kill, all of its processes" systemctl kill -s KILL holdfast.service
other() { [ "$(main)" != 0 ] && [ "$(main)" != "$old" ] && [ "$(unit ActiveState)" = active ]; }
ok "Restart= brings another" wait_until 90 other
same "kill"
ok "a killed daemon alone" kill -KILL "$(main)"
old=$(main)
ok "comes back too" wait_until 90 other
same "crash"

# --- the watchdog -------------------------------------------------------------------------------------------------------------------------------

is "$(unit WatchdogUSec)" 30s "there is a watchdog"
mkdir -p /run/systemd/system/holdfast.service.d
printf '[Service]\nWatchdogSec=8\n' >/run/systemd/system/holdfast.service.d/watchdog.conf
cleanup rm -rf /run/systemd/system/holdfast.service.d
systemctl daemon-reload
systemctl restart holdfast.service
old=$(main)
sleep 20
is "$(main)" "$old" "a daemon that lives is left alone for longer than that"
kill -STOP "$old"
ok "one that hangs is replaced" wait_until 90 other
same "watchdog"
rm -rf /run/systemd/system/holdfast.service.d
systemctl daemon-reload

# --- systemd goes on with its own groups --------------------------------------------------------------------------------------------------------

systemctl daemon-reload && systemctl daemon-reexec
wait_until 60 systemctl show -p Version
ok "a unit with limits of its own starts" systemd-run --quiet --wait -p CPUWeight=50 -p MemoryMax=200M -p IOWeight=50 -p TasksMax=20 true
ok "and one in a slice of its own" systemd-run --quiet --wait --slice=test-vm.slice -p CPUQuota=50% true
systemctl daemon-reload
for c in cpu memory pids; do like " $(cat $G/cgroup.subtree_control) " " $c " "$c stays enabled at the root"; done
for c in cpu memory pids; do like " $(cat $G/holdfast/cgroup.subtree_control) " " $c " "and for servers"; done
same "changes of systemd"
is "$(systemctl --failed --no-legend | grep -v holdfast | wc -l)" "$HAD" "no other unit failed"
is "$(journalctl -b -q -t systemd --no-pager | grep -ciE 'left-over process|cgroup.*(fail|busy)|Failed.*cgroup')" 0 \
    "systemd complains neither about groups nor about processes that stayed"
journalctl -b -q -t systemd --no-pager | grep -iE 'left-over process|cgroup.*(fail|busy)|Failed.*cgroup' | tail -n 5 |
    while read -r l; do diag "$l"; done

# --- shutdown -------------------------------------------------------------------------------------------------------------------------------------

exits 0 "holdfast shutdown" holdfast shutdown
inactive() { [ "$(unit ActiveState)" = inactive ]; }
ok "ends the unit for good" wait_until 60 inactive
sleep 3
is "$(unit ActiveState) $(unit Result)" "inactive success" "nothing starts it again"
nok "the server is gone" kill -0 "$one"
is "$(find $G -maxdepth 1 -name 'holdfast*')" "" "and the groups"
is "$(awk '$5 ~ "^/var/lib/holdfast/"' /proc/self/mountinfo; losetup -nl -O BACK-FILE | grep holdfast)" "" "no mount and no loop device stays"

# --- the machine goes down ------------------------------------------------------------------------------------------------------------------------

# All that it brings but the end: what runs this test stays.
own=$(sed -n 's,^0::/system.slice/\([^/]*\.service\).*,\1,p' /proc/self/cgroup)
[ -n "$own" ] || bail "not in a service"
mkdir -p "/run/systemd/system/$own.d"
printf '[Unit]\nDefaultDependencies=no\n' >"/run/systemd/system/$own.d/stay.conf"
printf '[Unit]\nDefaultDependencies=no\nRequires=shutdown.target\nAfter=shutdown.target\n' >/run/systemd/system/test-down.target
systemctl daemon-reload
systemctl start holdfast.service
put_run slow <<'E2'
trap 'sleep 3; echo "world saved"; exit 0' TERM
echo up
while :; do sleep 0.2; done
E2
exits 0 "a server that needs its time to stop" hf alice start slow --wait --timeout 120
slow=$(field slow pid)
logs() { cat /var/lib/holdfast/logs/slow/*; }
has_log() { logs | grep -q "$1"; }
ok "is up" wait_until 60 has_log up
systemctl start --no-block test-down.target
ok "the machine goes down: the unit ends" wait_until 200 inactive
is "$(unit Result)" success "in order"
ok "the server was asked to stop and given its time" has_log 'world saved'
nok "it is gone" kill -0 "$slow"
is "$(awk '$5 ~ "^/var/lib/holdfast/"' /proc/self/mountinfo)" "" "its disk is not mounted any more"
done_testing
