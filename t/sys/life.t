#!/bin/bash
# What is wanted of a server outlives daemons and boots; locks; who may and may not; why it ended, in a sentence.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
{
    for s in up down auto autodown crash done locked given quiet; do
        printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 16M\nnetwork = none\nstop_timeout = 2s\n' $s
    done
    cat <<'E2'
[server auto]
autostart = yes
[server autodown]
autostart = yes
[server crash]
restart_tries = 2
restart_window = 1h
[server done]
autostart = yes
success_exit = 3 SIGUSR1
[server given]
autostart = yes
restart = never
[server one]
stop_timeout = 2s
restart = never
[server two]
restart = never
ready = line:up and running
start_timeout = 1s
stop_timeout = 2s
E2
} >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
admin() { timeout 60 "$TOOL" --run "$RUN" server "$@"; }
for s in up down auto autodown locked one; do put_run $s <"$HERE/t/payload/echo"; done
printf '#!/bin/sh\necho dying; exit 7\n' | put_run crash
printf '#!/bin/sh\nread -r x; exit 3\n' | put_run "done"
printf '#!/bin/sh\nread -r x; exit 4\n' | put_run given
printf '#!/bin/sh\nread -r x; exit 0\n' | put_run quiet
state() { field "$1" state; }
all() { for s in "$@"; do printf '%s ' "$(state "$s")"; done; }
becomes() { wait_until "${3:-20}" state_is "$1" "$2"; }
new_daemon() { eval "$("$HERE/t/rig" start "$PREFIX" | grep SERVER_PID=)"; export SERVER_PID; }
kill_daemon() { kill -KILL "$SERVER_PID"; local p=$SERVER_PID; gone() { ! alive "$p"; }; wait_until 5 gone; }
# Everything of it ends, and what lies below RUN does not survive.
reboot() {
    kill_daemon
    # shellcheck disable=SC2046
    kill -KILL $(role_pids shim) 2>/dev/null
    # shellcheck disable=SC2046
    kill -KILL $(role_pids store) $(role_pids filter) 2>/dev/null
    none() { [ -z "$(role_pids shim)$(role_pids init)$(role_pids store)" ]; }
    wait_until 10 none
    find "$RUN" -mindepth 1 -delete
    new_daemon
}

# --- what is wanted ---------------------------------------------------------------------------------------------------------------------------

hf alice start up --wait --timeout 20 >/dev/null
hf alice start down --wait --timeout 20 >/dev/null
hf alice stop down --wait --timeout 20 >/dev/null
hf alice start auto --wait --timeout 20 >/dev/null 2>&1
hf alice start autodown --wait --timeout 20 >/dev/null 2>&1
hf alice kill autodown --wait --timeout 20 >/dev/null
hf alice start done --wait --timeout 20 >/dev/null 2>&1
hf alice send "done" go >/dev/null 2>&1
becomes "done" offline
is "$(state "done") $(field "done" exit_code)" "offline 3" "an end by itself with a code of success_exit is no failure"
hf alice start given --wait --timeout 20 >/dev/null 2>&1; hf alice start quiet --wait --timeout 20 >/dev/null 2>&1
hf alice send given go >/dev/null 2>&1; hf alice send quiet go >/dev/null 2>&1
becomes given failed; becomes quiet offline
hf alice start crash --wait --timeout 20 >/dev/null 2>&1
becomes crash failed 30
is "$(field crash reason)" "ended with exit code 7; given up after 2 failures within 3600 s" "two failures are as many as restart_tries allows"
hf alice start locked --wait --timeout 20 >/dev/null
exits 0 "the admin locks one that runs" admin lock locked "unpaid since May"
is "$(state locked) $(field locked reason)" "running locked once it has ended: unpaid since May" "which goes on running"
exits 3 "a start of one that runs is refused" hf alice start up --wait
want="running offline running offline failed offline running failed offline "
is "$(all up down auto autodown crash "done" locked given quiet)" "$want" "before anything happens"
pids=$(field up pid)$(field auto pid)

kill_daemon; new_daemon
is "$(field up pid)$(field auto pid)" "$pids" "after a kill -9 of the daemon they run on"
is "$(all up down auto autodown crash "done" locked given quiet)" "$want" "and the others are as they were"
is "$(field crash reason)" "ended with exit code 7; given up after 2 failures within 3600 s" "with their reasons"
is "$(field crash exit_code) $(field down reason) $(field autodown reason)" "7 stopped by alice killed by alice" "and records"
is "$(field locked reason)" "locked once it has ended: unpaid since May" "the lock waits on"

reboot
becomes up running 30; becomes auto running 30; becomes "done" running 30; becomes given running 30
is "$(all up down auto autodown crash locked)" "running offline running offline failed locked " "after a boot: what ran runs, the rest does not"
is "$(all "done" given quiet)" "running running offline " "what ended by itself, or was given up, is started with autostart and stays down without"
kill_daemon; new_daemon
is "$(all "done" given)" "running running " "and is found again by the next daemon"
hf alice send "done" go >/dev/null 2>&1; hf alice send given go >/dev/null 2>&1
becomes given failed; becomes "done" offline
kill_daemon; new_daemon
is "$(all "done" given)" "offline failed " "a start of the daemon alone is no boot"
isnt "$(field up pid)$(field auto pid)" "$pids" "(anew)"
is "$(field crash reason)" "ended with exit code 7; given up after 2 failures within 3600 s" "one that was given up stays so, with its reason"
is "$(field locked reason)" "locked: unpaid since May" "a locked one is not started"
run hf alice start locked
is "$rc" 3 "nor by its owner"
like "$err" "locked is locked: unpaid since May" "who is told why"
exits 3 "restart is refused as well" hf alice restart locked
exits 3 "and stop: there is nothing to stop" hf alice stop locked
exits 0 "unlocked" admin unlock locked
ok "it goes back to what was wanted of it" becomes locked running
exits 3 "a second unlock is refused" admin unlock locked
exits 2 "a lock needs a reason" admin lock locked
exits 2 "one that is no trouble on a terminal" admin lock locked $'a\033[31mb'

# A restart that the daemon does not see the end of.
hf alice restart up >/dev/null
kill_daemon; new_daemon
ok "a restart cut by a kill of the daemon ends in a running server" becomes up running 20

# --- the machine goes down in order -------------------------------------------------------------------------------------------------------------

timeout 60 "$TOOL" --run "$RUN" shutdown >/dev/null
gone() { [ -z "$(role_pids shim)$(role_pids d)" ]; }
ok "shutdown ends all" wait_until 20 gone
new_daemon
ok "which nobody has wished: up comes back" becomes up running 30
ok "and auto" becomes auto running 30
is "$(all down autodown crash "done")" "offline offline failed offline " "and none of the others"
kill -TERM "$SERVER_PID"; p=$SERVER_PID; gone_daemon() { ! alive "$p"; }; wait_until 10 gone_daemon
new_daemon
is "$(all up down auto)" "running offline running " "nor does SIGTERM wish anything"

# --- a store that dies between the wish and its record ----------------------------------------------------------------------------------------------

kill -STOP "$(store_pid)"
admin stop up >/dev/null 2>&1 &
tool=$!
sleep 1
kill -KILL "$(store_pid)"; wait $tool
back() { hf alice true; }
wait_until 20 back
sleep 0.5
kill_daemon; new_daemon
is "$(all up)" "offline " "a wish that the dead store had not written is written by the next"
is "$(field up reason)" "stopped by the admin" "with who had it"

# --- several orders, one server ----------------------------------------------------------------------------------------------------------------------

for i in $(seq 8); do hf alice start up --wait --timeout 20 >"$SCRATCH/s$i" 2>&1 & done; wait
is "$(role_pids init | wc -l)" 3 "eight starts at once give one server (beside auto and locked)"
is "$(state up)" running "that runs"
run hf alice start up
is "$rc$err" "3up is running already" "start of one that runs is refused, and why"
for i in $(seq 6); do
    hf alice restart up >/dev/null 2>&1 & hf alice kill up --wait --timeout 20 >/dev/null 2>&1 & hf alice start up >/dev/null 2>&1 &
    hf alice stop up >/dev/null 2>&1 &
done; wait
run hf alice kill up --wait --timeout 20
case $rc in 0|3) ok "kill at the end of a storm" true;; *) ok "kill at the end of a storm: $rc $err" false;; esac
is "$(state up)" offline "and it is down"
sleep 1
is "$(state up)" offline "nothing was queued to start it again"

# --- kill wins at any moment --------------------------------------------------------------------------------------------------------------------------------

# A disk that is made now: nothing of the server runs yet.
S=$CONFIG/servers.d/rig.ini
for i in 1 2 3 4 5 6; do
    printf '[server fresh%d]\nowner = alice\ncommand = ./run\ndisk = 4G\ninodes = 200000\nnetwork = none\n' $i >>"$S"
done
timeout 30 "$TOOL" --run "$RUN" reload >/dev/null
bad=0
for i in 1 2 3 4 5 6; do
    hf alice start fresh$i --wait --timeout 60 >"$SCRATCH/fresh$i" 2>&1 & starter=$!
    ordered() { logged "server=fresh$i op=2 refused"; }
    wait_until 20 ordered
    hf alice kill fresh$i --wait --timeout 20 >/dev/null 2>&1
    case $? in 0 | 3) ;; *) bad=$((bad + 1)) ;; esac
    case $(state fresh$i) in offline | failed) ;; *) bad=$((bad + 1)) ;; esac
    timeout 30 tail --pid=$starter -f /dev/null || bad=$((bad + 1))
done
is $bad 0 "a kill while the disk comes up leaves it down, and ends who waits for the start"
sleep 1
bad=0
for i in 1 2 3 4 5 6; do case $(state fresh$i) in offline | failed) ;; *) bad=$((bad + 1)) ;; esac; done
is $bad 0 "for good"
hf alice start up --wait --timeout 20 >/dev/null 2>&1
as_server up sh -c 'head -c 12M /dev/urandom >noise'
hf alice backup create up >"$SCRATCH/backup" 2>&1 & backup=$!
exits 0 "a kill while a backup is made" hf alice kill up --wait --timeout 20
wait $backup
is $? 0 "of which the backup knows nothing"
hf alice start up >/dev/null 2>&1; hf alice restart up >/dev/null 2>&1
exits 0 "a kill in the middle of a restart" hf alice kill up --wait --timeout 20
is "$(state up) $(field up reason)" "offline killed by alice" "ends there"

# --- why it ended --------------------------------------------------------------------------------------------------------------------------------------

begin() { put_run one; killed one >/dev/null 2>&1; hf alice start one >/dev/null 2>&1; }
why() { sed "s/^X//" <<<"$(field one reason)"; }
begin <<<$'#!/bin/sh\nkill -SEGV $$'
becomes one failed; is "$(why)" "ended by signal 11 (SIGSEGV)" "a signal, by its name"
ok "the log has the sentence" logged 'server.state server=one state=failed reason="ended by signal 11 \(SIGSEGV\)"'
begin <<<$'#!/bin/sh\ntrap "" TERM\necho up\nwhile :; do sleep 1; done'
sleep 0.5; hf alice stop one --wait --timeout 20 >/dev/null
is "$(why)" "stopped by alice, and killed as it had not ended after 2s" "one that does not listen"
begin <<<$'#!/bin/sh\ntrap "exit 9" TERM\nwhile :; do sleep 0.1; done'
sleep 0.5; hf alice stop one --wait --timeout 20 >/dev/null
is "$(why)" "stopped by alice, and ended with exit code 9" "one that did not end well"
begin <<<$'#!/bin/sh\nsleep 100'
sleep 0.5; admin kill one >/dev/null
is "$(why)" "killed by the admin" "the admin's kill"
begin <<<$'#!/bin/sh\nhead -c 100M /dev/zero >fill; exit 5'
becomes one failed 40; is "$(why)" "ended with exit code 5; its disk was full" "a full disk"
as_server one rm -f fill
begin <<<$'#!/bin/sh\nmkdir -p many; cd many; i=0; while true >f$i; do i=$((i+1)); done 2>/dev/null; exit 6'
becomes one failed 60; is "$(why)" "ended with exit code 6; it had as many files as it may" "no inode left"
as_server one sh -c 'find many -type f -delete'
is "$(hf alice status one --json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["state"], d["exit_code"], d["reason"])')" \
    "failed 6 ended with exit code 6; it had as many files as it may" "in JSON"
like "$(hf alice status one)" "failed.*ended with exit code 6; it had" "and in the table"

put_run two <<<$'#!/bin/sh\necho starting; echo still loading the world; sleep 100'
run hf alice start two --wait --timeout 20
is "$rc" 1 "not ready in time: start --wait fails"
like "$err" "two: stopped, as it was not ready 1s after its start" "and says so"
like "$err" "still loading the world" "with the last lines of its output"
is "$(state two)" failed "it has failed"
put_run two <<<$'#!/bin/sh\necho no licence >&2; exit 4'
run hf alice start two --wait --timeout 20
is "$rc$err" "1| no licence
two: ended with exit code 4" "what came instead: its last words, and its end"
put_run two <<<$'#!/bin/sh\nprintf "up \\033[32mand\\033[0m run\\033[1mning\\n"; sleep 100'
exits 0 "ready by a line with colours inside" hf alice start two --wait --timeout 20
is "$(field two ready)" true "it is ready"
run hf alice status two; unlike "$out" "not ready" "status says so"
killed two >/dev/null
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
