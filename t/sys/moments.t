#!/bin/bash
# Orders at the worst moments: kill wins while a server starts, stops, restarts or is backed up, whenever it comes; a daemon that is killed in the
# middle loses no wish and no record, and leaves nothing running that nobody knows.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
stop_timeout = 2s
restart = on-failure
E2
rig_up --ini "$SCRATCH/more.ini"
put_run one <<'E2'
#!/bin/sh
echo up
trap 'sleep 0.2; exit 0' TERM
while :; do sleep 0.1; done
E2
new_daemon() { eval "$("$HERE/t/rig" start "$PREFIX" | grep SERVER_PID=)"; export SERVER_PID; }
kill_daemon() { local p=$SERVER_PID; kill -KILL "$p"; gone() { ! alive "$p"; }; wait_until 10 gone; }
inits() { local p n=0; for p in $(left_of one); do [ "$(cat "/proc/$p/comm" 2>/dev/null)" = holdfast-init ] && n=$((n + 1)); done; echo $n; }
nobody() { [ -z "$(left_of one)" ]; }
at_rest() { case $(field one state) in offline | failed) ;; *) return 1 ;; esac; }
nap() { sleep "0.$(printf %03d $((RANDOM % ${1:-300})))"; }
RANDOM=${SEED:=$$}
diag "SEED=$SEED repeats these moments"

# --- kill -------------------------------------------------------------------------------------------------------------------------------------

hf alice start one --wait --timeout 30 >/dev/null   # its disk is up from here on
as_server one sh -c 'head -c 8M /dev/urandom >noise'
bad=()
check_down() {   # WHAT: kill was answered, it is down, and stays so
    local rc=$2
    [ "$rc" = 0 ] || [ "$rc" = 3 ] || bad+=("$1: kill exits $rc")
    at_rest || bad+=("$1: $(field one state)")
    wait_until 10 nobody || bad+=("$1: $(inits) run")
}
round() {
    case $1 in
    start) hf alice kill one --wait >/dev/null 2>&1; hf alice start one >/dev/null 2>&1 & ;;
    stop) hf alice start one --wait --timeout 30 >/dev/null 2>&1; hf alice stop one >/dev/null 2>&1 & ;;
    restart) hf alice start one --wait --timeout 30 >/dev/null 2>&1; hf alice restart one >/dev/null 2>&1 & ;;
    backup) hf alice start one --wait --timeout 30 >/dev/null 2>&1; hf alice backup create one >/dev/null 2>&1 & ;;
    crash) hf alice start one --wait --timeout 30 >/dev/null 2>&1; kill -KILL "$(field one pid)" 2>/dev/null & ;;
    esac
    local order=$!
    nap 350
    hf alice kill one --wait --timeout 20 >/dev/null 2>&1
    local code=$?
    wait $order
    # An order that was on its way is a later one: it may have started it again.
    [ "$1" = start ] || [ "$1" = restart ] && [ "$(field one state)" = running ] && { hf alice kill one --wait --timeout 20 >/dev/null 2>&1; code=$?; }
    check_down "$1" $code
}
for i in 1 2; do for what in start stop restart backup crash; do round $what; done; done
is "${#bad[@]} ${bad[*]-}" "0 " "ten kills at random moments of a start, stop, restart, backup and crash"
like "$(field one reason)" 'killed by alice|ended|stopped' "with a reason"

# All at once.
for i in $(seq 3); do
    for what in start stop restart kill start "backup create" restart; do { nap 400; hf alice $what one; } >/dev/null 2>&1 & done; wait
    hf alice kill one --wait --timeout 20 >/dev/null 2>&1
    check_down storm $?
done
is "${#bad[@]} ${bad[*]-}" "0 " "and at the end of three storms of seven orders each"

# --- the daemon is killed in the middle -----------------------------------------------------------------------------------------------------------

bad=()
for i in $(seq 5); do
    hf alice start one --wait --timeout 30 >/dev/null 2>&1
    hf alice restart one >/dev/null 2>&1
    nap 400
    hf alice stop one >/dev/null 2>&1
    code=$?
    nap 300
    kill_daemon; new_daemon
    wait_until 20 at_rest || bad+=("round $i: stop exits $code, then $(field one state)")
    wait_until 10 nobody || bad+=("round $i: $(inits) run, $(field one state)")
    why=$(field one reason)
    [[ $why == "stopped by alice"* ]] || bad+=("round $i: stop exits $code, reason '$why'")
done
is "${#bad[@]} ${bad[*]-}" "0 " "a restart, a stop and a kill of the daemon, five times: it is down, and says by whom"

# An end of its own just before the daemon dies.
put_run one <<<$'#!/bin/sh\necho up; read -r x; exit 42'
bad=()
for i in $(seq 4); do
    hf alice start one --wait --timeout 30 >/dev/null 2>&1
    sed -i 's/^restart = .*/restart = never/' "$CONFIG/servers.d/rig.ini"
    [ $i = 1 ] && timeout 30 "$TOOL" --run "$RUN" reload >/dev/null
    hf alice send one go >/dev/null 2>&1 &
    sender=$!
    nap 250
    kill_daemon; wait $sender; new_daemon
    [ "$(field one state)" = running ] && hf alice send one go >/dev/null 2>&1   # it never heard the first
    wait_until 20 at_rest || bad+=("round $i: $(field one state)")
    [ "$(field one exit_code)" = 42 ] || bad+=("round $i: exit code '$(field one exit_code)', $(field one reason)")
done
is "${#bad[@]} ${bad[*]-}" "0 " "an end beside a kill of the daemon, four times: its exit code is kept"
# And a start.
bad=()
put_run one <<<$'#!/bin/sh\necho up; exec sleep 1000'
for i in $(seq 4); do
    hf alice kill one --wait --timeout 20 >/dev/null 2>&1
    hf alice start one >/dev/null 2>&1 & starter=$!
    nap 400
    kill_daemon; wait $starter; code=$?; new_daemon
    settled() { case $(field one state) in running | offline | failed) ;; *) return 1 ;; esac; }
    wait_until 30 settled || bad+=("round $i: $(field one state)")
    s=$(field one state)
    case $s:$(inits) in running:1 | offline:0) ;; *) bad+=("round $i: start exits $code, $s, $(inits) run") ;; esac
    [ $code != 0 ] || [ "$s" = running ] || bad+=("round $i: a start that was answered is lost")
done
is "${#bad[@]} ${bad[*]-}" "0 " "a start and a kill of the daemon, four times: what was answered holds, one server runs or none"
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
