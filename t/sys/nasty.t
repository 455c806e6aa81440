#!/bin/bash
# A server that is a nuisance in each way there is (t/lib/nasty.c).  Each time: the daemon and a neighbour's console answer while it goes on, the
# shim's memory stays where it was, stop or kill end it with nothing left, and status and events say in a sentence what happened.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
BUILD=${BUILD:-$HERE/build}
[ -x "$BUILD/t/lib/nasty" ] || bail "no t/lib/nasty in $BUILD: make check TESTS="
for s in nasty dumb crash moody; do
    printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 32M\ninodes = 1000\nmemory = 128M\npids = 64\nnetwork = none\nstop_timeout = 2s\nrestart = %s\n' $s $([ $s = crash ] && echo always || echo never)
done >"$SCRATCH/more.ini"
cat >>"$SCRATCH/more.ini" <<'E2'
[server dumb]
tty = yes
[server crash]
restart_tries = 3
restart_window = 1h
[server moody]
ready = notify
E2
rig_up --ini "$SCRATCH/more.ini"
put_run three <"$HERE/t/payload/echo"
started three >/dev/null 2>&1
three=$(field three pid)
for s in nasty dumb crash moody; do put alice "$BUILD/t/lib/nasty" /$s/nasty >/dev/null; echo 'chmod 755 nasty' | (sed "s#nasty#/$s/nasty#" | batch alice >/dev/null); done

# The most that a shim may take, however its server carries on: twice the scroll-back, its buffers and its program.
grep -q '^#define SANITIZERS 1' "$BUILD/config.h" && PSS_MOST=400000 || PSS_MOST=2500
pss_of() {
    local p
    for p in $(role_pids shim); do
        tr '\0' '\n' 2>/dev/null <"/proc/$p/cmdline" | grep -qx "$1" && awk '$1 == "Pss:" { print $2 }' "/proc/$p/smaps_rollup" && return
    done
    echo none
}
gone() { [ -z "$(left_of "$1")" ]; }
ms() { local s; s=$(now_us); "$@" >/dev/null 2>&1 || { echo failed; return; }; echo $((($(now_us) - s) / 1000)); }
echoes() { local word; word="word $(now_us)"; hf bob send --expect "'^heard: $word\$'" --timeout 10 three "$word"; }
# While it goes on.
others() {
    local status console pss
    status=$(ms hf bob status three) console=$(ms echoes) pss=$(pss_of "$1")
    diag "$2: another's status after $status ms, his console's answer after $console ms; shim PSS $pss KiB"
    atmost "$status" 5000 "$2: another's status answers (ms)"
    atmost "$console" 5000 "$2: and his console (ms)"
    [ "$pss" = none ] || atmost "$pss" $PSS_MOST "$2: the shim is small (KiB)"
}
# SERVER WAY ARGUMENT...: starts it that way.
behave() {
    local s=$1; shift
    hf alice kill "$s" --wait >/dev/null 2>&1
    printf '#!/bin/sh\nexec ./nasty %s\n' "$*" | put_run "$s"
    hf alice start "$s" >/dev/null
}
says() { hf alice logs "$1" -n 400 2>/dev/null | grep -aqE "$2"; }
ended() {   # SERVER STATE REASON DESC: how it ended, in status and events alike, and nothing is left
    ok "$4: it is $2" wait_until 30 state_is "$1" "$2"
    is "$(field "$1" reason)" "$3" "$4: why, in a sentence"
    like "$(hf alice events "$1" -n 1 --json)" "\"text\":\"${3//[()]/.}\"" "$4: which is an event"
    ok "$4: nothing is left of it" wait_until 10 gone "$1"
}
ends_by_stop() {
    local start; start=$(now_us)
    ok "$2: stop ends it" timeout 30 "${SSH[@]}" alice stop "$1" --wait --timeout 20
    atmost $((($(now_us) - start) / 1000)) 15000 "$2: in time (ms)"
}

# --- output ----------------------------------------------------------------------------------------------------------------------------------

behave nasty flood 4
wait_until 10 says nasty 'Is it overload'
timeout 60 "${SSH[@]}" alice console nasty >"$SCRATCH/view" 2>&1 </dev/null & viewer=$!
sleep 1
others nasty flood
exits 0 "flood: status of the one that floods" hf alice status nasty
ok "flood: it is heard to its last word" wait_until 60 says nasty 'flooded [0-9]+ lines'
diag "$(hf alice logs nasty -n 1)"
atmost "$(du -sb "$PREFIX/state/logs/nasty" | cut -f1)" $((16 << 20)) "flood: the log keeps to its size"
behave nasty flood 1000
sleep 1
others nasty "flood without end"
exits 0 "flood without end: kill" hf alice kill nasty --wait --timeout 20
ended nasty offline "killed by alice" "flood without end"
wait $viewer 2>/dev/null

behave nasty line 10
ok "10 MiB without a line's end: they are read" wait_until 60 says nasty 'the line has ended'
others nasty "10 MiB without a line's end"
atmost "$(hf alice logs nasty -n 400 | awk '{ if (length > m) m = length } END { print m }')" $((64 * 1024 + 64)) "10 MiB without a line's end: lines are cut at a bound"
ends_by_stop nasty "10 MiB without a line's end"
ended nasty offline "stopped by alice" "10 MiB without a line's end"

cat >"$SCRATCH/attach.py" <<'E2'
# ssh -tt HOST console SERVER on a terminal, left by the detach key; what came is printed raw.
import os, pty, select, subprocess, sys, time
needle, command = sys.argv[1].encode(), sys.argv[2:]
master, slave = pty.openpty()
p = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)
got, end = b"", time.monotonic() + 40
while needle not in got and time.monotonic() < end and select.select([master], [], [], 1)[0] is not None:
    if select.select([master], [], [], 0.2)[0]:
        try:
            got += os.read(master, 65536)
        except OSError:
            break
os.write(master, b"\x1d")
try:
    p.wait(10)
except subprocess.TimeoutExpired:
    p.kill()
sys.stdout.buffer.write(got)
E2
attach() { timeout 60 python3 "$SCRATCH/attach.py" "$1" "${SSH[@]}" -tt alice console "$2" >"$SCRATCH/screen"; }
# What a terminal would obey: any sequence but colours and "erase in line", and control characters but the usual.
obeyed() {
    python3 - "$SCRATCH/screen" <<'E2'
import re, sys
b = open(sys.argv[1], "rb").read()
b = b.split(b"<0>", 1)[-1] if b"<0>" in b else b
b = re.sub(rb"\x1b\[[0-9;:]*m|\x1b\[[0-2]?K|\x1b\[J", b"", b)
text = b.decode("utf-8", "replace")
print(sorted({f"{ord(c):02x}" for c in text if (ord(c) < 32 and c not in "\n\r\t\b\a") or 127 <= ord(c) < 160}))
E2
}
behave nasty escapes
wait_until 10 says nasty 'escapes are over'
attach "escapes are over" nasty
like "$(tr -d '\0' <"$SCRATCH/screen")" '<38>' "escapes: a viewer sees the text between them"
is "$(obeyed)" "[]" "escapes: and nothing that a terminal obeys"
nok "escapes: no title, no clipboard" grep -aq 'pwned title\|cHduZWQ' "$SCRATCH/screen"
others nasty escapes
exits 0 "escapes: logs, status and events" hf alice status nasty
nok "escapes: none in the daemon's log" grep -aqP '\x1b|\x9d' "$LOG"
ends_by_stop nasty escapes
ended nasty offline "stopped by alice" escapes

behave nasty bytes
wait_until 10 says nasty 'bytes are over'
attach "bytes are over" nasty
is "$(obeyed)" "[]" "NULs and bytes that are no text: a terminal is shown none of them"
exits 0 "NULs and bytes that are no text: the log in JSON" hf alice logs nasty -n 50
others nasty "NULs and bytes that are no text"
behave dumb tty
ok "it changes its terminal: and is heard" wait_until 10 says dumb 'terminal: raw, typing of its own refused'
others dumb "it changes its terminal"
hf alice send dumb hello >/dev/null 2>&1
ends_by_stop dumb "it changes its terminal"
ended dumb offline "stopped by alice" "it changes its terminal"
printf '#!/bin/sh\nstty -a; read x; echo "heard $x"; sleep 1000\n' | put_run dumb
hf alice start dumb --wait --timeout 20 >/dev/null
ok "the next start has a terminal as new" wait_until 10 says dumb 'icanon.* echo '
exits 0 "that takes a line" hf alice send dumb --expect "'heard hello'" --timeout 10 hello
hf alice kill dumb --wait >/dev/null

# --- input -----------------------------------------------------------------------------------------------------------------------------------

behave nasty numb
wait_until 10 says nasty 'reading nothing'
before=$(pss_of nasty)
head -c 10485760 /dev/zero | tr '\0' 'k' | fold -w 1000 | timeout 60 "${SSH[@]}" alice console nasty >"$SCRATCH/typed" 2>&1
isnt $? 124 "it never reads: who types 10 MiB gets to the end"
like "$(tr -d '\0' <"$SCRATCH/typed")" 'the server has not read what was typed before' "it never reads: and is told"
diag "shim PSS before $before KiB, behind 10 MiB $(pss_of nasty) KiB"
others nasty "it never reads"
hf alice send nasty more >/dev/null 2>&1
ends_by_stop nasty "it never reads"
ended nasty offline "stopped by alice" "it never reads"

behave nasty shut
wait_until 10 says nasty 'closing all three'
sleep 0.5
ok "it closes all three: it runs" state_is nasty running
run hf alice send nasty "are you there"
isnt "$rc" 0 "it closes all three: a line is refused"
like "$err" 'the server has closed its input' "it closes all three: and why"
others nasty "it closes all three"
ends_by_stop nasty "it closes all three"
ended nasty offline "stopped by alice" "it closes all three"

# --- processes and signals -------------------------------------------------------------------------------------------------------------------

behave nasty fork
ok "it forks: and is refused more" wait_until 30 says nasty 'forked [0-9]+ times: Resource temporarily'
n=$(left_of nasty | wc -l)
atleast "$n" 40 "it forks: all of them are seen"
atmost "$n" 64 "it forks: to its limit$(grep -qw pids /sys/fs/cgroup/cgroup.controllers 2>/dev/null || echo ', by RLIMIT_NPROC: there is no pids controller')"
others nasty "it forks"
exits 0 "it forks: kill" hf alice kill nasty --wait --timeout 20
ended nasty offline "killed by alice" "it forks"

behave nasty deaf
wait_until 10 says nasty deaf
others nasty "it ignores signals"
ends_by_stop nasty "it ignores signals"
ended nasty offline "stopped by alice, and killed as it had not ended after 2s" "it ignores signals"

behave nasty halt
wait_until 10 says nasty halting
others nasty "it stops itself"
ends_by_stop nasty "it stops itself"
ended nasty offline "stopped by alice, and killed as it had not ended after 2s" "it stops itself"
behave nasty halt
wait_until 10 says nasty halting
exits 0 "it stops itself: kill" hf alice kill nasty --wait --timeout 20
ended nasty offline "killed by alice" "it stops itself"

behave nasty orphan
wait_until 10 says nasty 'the orphan is up'
ended nasty offline "ended with exit code 0" "it forks twice and leaves an orphan"

# --- disk and memory -------------------------------------------------------------------------------------------------------------------------

behave nasty disk
wait_until 30 says nasty 'its disk: (No space|Disk quota)'
ended nasty failed "ended with exit code 9; its disk was full" "it fills its disk"
others nasty "it fills its disk"
like "$(hf alice events nasty --json)" '"event":"quota".*its disk is full: ([0-9]+) of \1 bytes' "it fills its disk: an event says so"
as_server nasty rm -f fill

behave nasty memory 512
others nasty "it eats memory"
ok "it eats memory: what lies in files is bounded" wait_until 30 says nasty '/dev/shm/fill took [0-9]+ MiB: No space'
took() { hf alice logs nasty -n 20 | sed -n 's/.* took \([0-9]*\) MiB.*/\1/p' | awk '{ n += $1 } END { print n }'; }
atmost "$(took)" 128 "it eats memory: by its limit (MiB)"
if grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    ended nasty failed "out of memory at its limit of 128M" "it eats memory"
else
    diag "there is no memory controller: the limit of its own stands in (t/vm has the kernel's)"
    ended nasty failed "ended by signal 6 (SIGABRT)" "it eats memory"
fi

# --- ends without end, and moods ----------------------------------------------------------------------------------------------------------------

behave crash exit 3
ok "it always crashes: it is given up" wait_until 40 state_is crash failed
ended crash failed "ended with exit code 3; given up after 3 failures within 3600 s" "it always crashes"
is "$(hf alice events crash --json | python3 -c 'import json,sys; print(*[e["text"] for e in map(json.loads, sys.stdin) if e["event"] == "crash"], sep="|")')" \
    "ended with exit code 3; it is started again in 1 s|ended with exit code 3; it is started again in 2 s|ended with exit code 3; given up after 3 failures within 3600 s" \
    "it always crashes: each time is an event"
put_run nasty <<<$'#!/bin/sh\nexit 7'
start=$(now_us)
for i in $(seq 40); do hf alice start nasty; hf alice start nasty; hf alice kill nasty; done >/dev/null 2>&1
diag "120 orders to one that ends at once: $((($(now_us) - start) / 1000)) ms"
others nasty "it ends at once, again and again"
exits 0 "the daemon holds" daemon_up
ok "it ends at once: it comes to rest" wait_until 20 eval 'state_is nasty failed || state_is nasty offline'
ok "it ends at once: nothing is left" wait_until 10 gone nasty

behave moody moody 100
ok "ready and not, a hundred times: it is ready" wait_until 60 state_is moody running
others moody "ready and not"
ok "ready and not: its last word is shown" wait_until 300 eval '[ "$(hf alice status moody --json | grep -c "moody to the end")" = 1 ]'
atmost "$(hf alice events moody --json | grep -c '"running"')" 1 "ready and not: one event of it"
nok "ready and not: its sequences come nowhere" grep -aqP '\x1b' "$LOG"
ends_by_stop moody "ready and not"
ended moody offline "stopped by alice" "ready and not"

is "$(field three pid)" "$three" "the neighbour ran on through all of it"
is "$(field three restarts)" 0 "and was never started again"
ok "the daemon is the same" alive "$SERVER_PID"
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
