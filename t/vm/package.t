#!/bin/bash
# vm: package
# The Debian package (etc/deb) as an admin has it: installed, configured, upgraded under a running server, removed, purged; people's files stay.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -d /run/systemd/system ] || skip_all "systemd does not run here (t/vm/run has one)"
package=$(ls "$HERE"/holdfast_*.deb 2>/dev/null | head -n 1)
[ -n "$package" ] && [ ! -e /usr/sbin/holdfastd ] || skip_all "no package beside the tree, or holdfast is installed here"
RUN_BOUND=300
HOST=127.0.0.1 PORT=2222 CONF=/etc/holdfast
scratch
version=$(dpkg-deb -f "$package" Version)

# --- installed ------------------------------------------------------------------------------------------------------------------------------

exits 0 "dpkg -i" dpkg -i "$package"
is "$(dpkg-query -W -f '${db:Status-Status} ${Version}' holdfast)" "installed $version" "it is installed"
# This machine leaves all documentation out.
is "$(dpkg --verify holdfast | grep -v ' /usr/share/\(doc\|man\)/')" "" "with all of its files as they were packed"
is "$(for u in store shim image filter; do getent passwd holdfast-$u | cut -d: -f7; done | sort | uniq -c | xargs)" "4 /usr/sbin/nologin" "its users are there"
is "$(stat -c '%U %a' /run/holdfast /var/lib/holdfast | sort -u)" "root 711" "and its folders"
is "$(systemctl is-active holdfast; systemctl is-enabled holdfast)" $'inactive\ndisabled' "nothing listens that was not asked for"
is "$(find /etc -newer "$package" -path '*holdfast*' ! -path '*/passwd*' 2>/dev/null)" "" "nothing is in /etc"
is "$(holdfastd -V 2>&1 | grep -c "$version")" 1 "holdfastd says the package's version"
nok "started without a configuration it fails" systemctl start holdfast
ok "and says what is missing" wait_until 60 bash -c "journalctl -u holdfast --no-pager | grep -q '$CONF'"
sleep 5
is "$(systemctl show -p NRestarts --value holdfast)" 0 "but does not try again and again"
systemctl reset-failed holdfast
is "$(for f in /usr/libexec/holdfast/* /usr/sbin/holdfastd /usr/bin/holdfast; do ldd "$f" 2>&1 | grep 'not found'; done)" "" "all libraries are there"

# --- configured and used ----------------------------------------------------------------------------------------------------------------------

install -d -m 0700 "$CONF" "$CONF/accounts.d" "$CONF/servers.d"
ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/alice" </dev/null
(
    umask 077
    echo >"$CONF/holdfast.ini"
    printf '[account alice]\nkey = %s\n' "$(cat "$SCRATCH/alice.pub")" >"$CONF/accounts.ini"
    printf '[server one]\nowner = alice\ncommand = /bin/bash ./run\nmemory = 96M\ntmp = 16M\ndisk = 16M\n' >"$CONF/servers.d/one.ini"
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
exits 0 "systemctl enable --now" systemctl enable --quiet --now holdfast
[ "$rc" = 0 ] || { journalctl -u holdfast -n 20 --no-pager | while IFS= read -r l; do diag "$l"; done; bail "no daemon, no more to see"; }
put_run one <"$HERE/t/payload/echo"
exits 0 "a server starts" hf alice start one --wait --timeout 120
one=$(field one pid) daemon=$(systemctl show -p MainPID --value holdfast)
isnt "$one" "" "and has a process"

# --- upgraded -----------------------------------------------------------------------------------------------------------------------------------

mkdir "$SCRATCH/next" && dpkg-deb -R "$package" "$SCRATCH/next"
sed -i "s/^Version: .*/Version: $version+next/" "$SCRATCH/next/DEBIAN/control"
dpkg-deb --root-owner-group -Znone -b "$SCRATCH/next" "$SCRATCH/next.deb" >/dev/null
exits 0 "dpkg -i of a later one" dpkg -i "$SCRATCH/next.deb"
is "$(dpkg-query -W -f '${Version}' holdfast)" "$version+next" "it is the later one"
isnt "$(systemctl show -p MainPID --value holdfast)" "$daemon" "the daemon is another"
wait_until 90 hf alice true
is "$(field one pid) $(field one state)" "$one running" "the server has run on"

# --- removed ------------------------------------------------------------------------------------------------------------------------------------

exits 0 "dpkg -r" dpkg -r holdfast
ok "its servers have ended" wait_until 60 bash -c "! kill -0 $one 2>/dev/null"
is "$(findmnt -rno TARGET | grep -c /var/lib/holdfast)" 0 "no disk is mounted"
is "$(ls -d /usr/libexec/holdfast /usr/sbin/holdfastd 2>/dev/null)" "" "its programs are gone"
ok "configuration and files stay" test -s "$CONF/accounts.ini" -a -d /var/lib/holdfast/servers
exits 0 "dpkg -P" dpkg -P holdfast
ok "even then" test -s "$CONF/accounts.ini" -a -d /var/lib/holdfast/servers
exits 0 "and installed again" dpkg -i "$package"
exits 0 "it starts" systemctl start holdfast
wait_until 90 hf alice true
is "$("${SFTP[@]}" -b - alice <<<'ls /one' 2>/dev/null | grep -c '/one/run')" 1 "and alice finds her files"
exits 0 "holdfast shutdown" holdfast shutdown
done_testing
