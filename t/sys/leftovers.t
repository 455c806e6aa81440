#!/bin/bash
# Nothing stays behind: not after an end in order, not after a killed daemon, not after many starts and logins; and two appliances do not
# meet.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
rig_up
put_run one <"$HERE/t/payload/echo"
put_run two <"$HERE/t/payload/echo"
fds() { ls "/proc/$1/fd" | wc -l; }
cycle() { hf alice start one --wait --timeout 20 && hf alice stop one --wait --timeout 20; } >/dev/null 2>&1
cycle
hf alice true
d=$(fds "$SERVER_PID") s=$(fds "$(store_pid)") m=$(grep -c "$PREFIX" /proc/self/mountinfo)
l=$(ip -4 -o addr | grep -c " 10.213.$SLICE.")
bad=0
for i in $(seq 15); do cycle || bad=$((bad + 1)); done
is $bad 0 "15 starts and stops"
for i in $(seq 40); do hf alice true || bad=$((bad + 1)); done
is $bad 0 "40 logins"
for i in $(seq 15); do batch alice <<<"ls /one" >/dev/null || bad=$((bad + 1)); done
is $bad 0 "15 SFTP sessions"
settled() { [ "$(role_pids session | wc -l)" = 0 ] && [ "$(role_pids files | wc -l)" = 0 ]; }
ok "no session and no worker stays" wait_until 10 settled
atmost "$(fds "$SERVER_PID")" $((d + 2)) "the daemon has no more descriptors than before"
atmost "$(fds "$(store_pid)")" $((s + 2)) "nor has the store"
is "$(grep -c "$PREFIX" /proc/self/mountinfo)" "$m" "nor the host more mounts"
is "$(ip -4 -o addr | grep -c " 10.213.$SLICE.")" "$l" "nor more interfaces"
is "$(role_pids shim | wc -l)" 0 "no shim stays"
zombies() { grep -ls '^State:.Z' /proc/[0-9]*/status | while read -r f; do awk -v p="$SERVER_PID" '$1 == "PPid:" && $2 == p' "$f"; done | wc -l; }
is "$(zombies)" 0 "no zombie"

# --- a second one beside it -------------------------------------------------------------------------------------------------------------------

first=$PREFIX
text=$("$HERE/t/rig" up) || bail "a second rig did not start"
second=$(sed -n 's/^PREFIX=//p' <<<"$text")
cleanup "$HERE/t/rig" down "$second"
second_config=$(sed -n 's/^SSH_CONFIG=//p' <<<"$text")
is "$(sed -n 's/^PORT=//p' <<<"$text" | grep -cx "$PORT")" 0 "two rigs have two ports"
ok "both answer" ssh -F "$second_config" alice true
exits 255 "alice of the one is not alice of the other" ssh -F none -p "$(sed -n 's/^PORT=//p' <<<"$text")" -l alice -i "$KEY" -o IdentitiesOnly=yes \
    -o IdentityAgent=none -o BatchMode=yes -b 127.0.9.1 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no "$HOST" true
printf 'put -p %s /one/run\n' "$HERE/t/payload/echo" | sftp -F "$second_config" -b - alice >/dev/null 2>&1
started one >/dev/null 2>&1
exits 0 "the same server name and port run in both" ssh -F "$second_config" alice start one --wait --timeout 20
unset 'tap_stack[-1]'
ok "the second ends with nothing left" "$HERE/t/rig" down "$second"
is "$(field one state)" running "and the first does not notice"
PREFIX=$first

# --- ends ----------------------------------------------------------------------------------------------------------------------------------------

started two >/dev/null 2>&1
kill -KILL "$SERVER_PID"
gone() { ! alive "$SERVER_PID"; }
wait_until 5 gone
tap_stack=("${tap_stack[@]/rig_end */}")
run "$HERE/t/rig" down "$PREFIX"
is "$rc$err" 0 "down after a killed daemon, with two servers running: nothing is left"
eval "$("$HERE/t/rig" up)"
SSH=(ssh -F "$SSH_CONFIG"); SFTP=(sftp -F "$SSH_CONFIG")
put_run one <"$HERE/t/payload/echo"
started one >/dev/null 2>&1
"${SFTP[@]}" alice < <(echo "ls /one"; sleep 30) >/dev/null 2>&1 & client=$!
sleep 30 | "${SSH[@]}" alice console one >/dev/null 2>&1 & viewer=$!
busy() { [ "$(role_pids session | wc -l)" -ge 2 ]; }
wait_until 10 busy
run "$HERE/t/rig" down "$PREFIX"
is "$rc$err" 0 "down with clients connected: nothing is left"
kill $client $viewer 2>/dev/null; wait 2>/dev/null
eval "$("$HERE/t/rig" up)"
SSH=(ssh -F "$SSH_CONFIG"); SFTP=(sftp -F "$SSH_CONFIG")
kill -TERM "$SERVER_PID"
ok "SIGTERM ends the daemon" wait_until 20 gone
run "$HERE/t/rig" down "$PREFIX"
is "$rc$err" 0 "and nothing is left"
done_testing
