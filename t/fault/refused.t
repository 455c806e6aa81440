#!/bin/bash
# The suite with one system call failing: whoever needs it refuses by name and does not go on in a weaker way; the daemon stays up and, once
# the call works again, so does all.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need strace
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[limits]
penalty_crash = 0s
[server one]
restart = never
[server two]
deny = *.pem
EOF
rig_up --ini "$SCRATCH/more.ini"
put_run one <"$HERE/t/payload/echo"
head -c 3M /dev/urandom >"$SCRATCH/data"
ok "before: a command" hf alice true

# Children of the daemon from now on see CALL fail with ERROR (every time, or as WHEN says); or of process PID alone.
failing() {
    local call=$1 error=$2 pid=${3:-$SERVER_PID} when=${4:-1+}
    strace -f -qq -o "$SCRATCH/trace" -e trace="$call" -e inject="$call:error=$error:when=$when" -p "$pid" 2>"$SCRATCH/strace" &
    tracer=$!
    wait_until 5 grep -qs "^TracerPid:.*$tracer" "/proc/$pid/status" || diag "$(<"$SCRATCH/strace")"
}
working() {
    kill "$tracer" 2>/dev/null; wait "$tracer" 2>/dev/null
    hits=$(grep -c 'INJECTED' "$SCRATCH/trace")
    ok "$1: the failure was met" test "$hits" -gt 0
    ok "$1: works again afterwards" wait_until 10 hf alice true
    ok "$1: the daemon is up" alive "$SERVER_PID"
    is "$(awk '/INJECTED/ { print $1 }' "$SCRATCH/trace" | sort -u | while read -r p; do [ "$p" = "$SERVER_PID" ] || ! alive "$p" || echo "$p"; done)" "" \
        "$1: who met it did not go on" 
}

for what in 'landlock_restrict_self EOPNOTSUPP' 'landlock_create_ruleset ENOSYS' 'seccomp EINVAL' 'setresuid EPERM' 'setgroups EPERM'; do
    read -r call error <<<"$what"
    failing "$call" "$error"
    isnt "$(hf_from 127.0.10.1 alice true >/dev/null 2>&1; echo $?)" 0 "$call fails: no session runs"
    working "$call"
done

failing openat2 ENOSYS
nok "openat2 fails: nothing is read by another way" batch alice <<<"get /one/run $SCRATCH/got"
nok "nor written" batch alice <<<"put $SCRATCH/data /one/sneaked"
working openat2
nok "nor was it" batch alice <<<"ls /one/sneaked"

ok "a file beside what is hidden" batch alice <<<"put $SCRATCH/data /two/open"
failing readlinkat EACCES
nok "where a file is cannot be told: where some are hidden, none is read" batch alice <<<"get /two/open $SCRATCH/got"
nok "nor written" batch alice <<<"put $SCRATCH/data /two/sneaked"
working readlinkat
nok "nor was it" batch alice <<<"ls /two/sneaked"
ok "and all is as it was" batch alice <<<"get /two/open $SCRATCH/got"

# The launch that waits was there before the tracer.
no_spare() { local p; for p in $(spare_pids); do kill -KILL "$p"; done; [ -z "$(spare_pids)" ]; }
failing mount EPERM
wait_until 5 no_spare
exits 1 "mount fails: a start fails" hf alice start one --wait --timeout 20
like "$err" 'mount|EPERM|permitted|overlay|proc' "and names the step: ${err:0:120}"
kill "$tracer"; wait "$tracer" 2>/dev/null
is "$(ip -4 -o addr | grep -c " 10.213.$SLICE.")" 0 "and leaves no interface"
for what in 'clone3 EAGAIN' 'pivot_root EPERM' 'sethostname EPERM' 'unshare EINVAL' 'setns EPERM' 'mount_setattr EINVAL' 'symlink ENOSPC' 'mkdir ENOSPC'; do
    read -r call error <<<"$what"
    failing "$call" "$error"
    wait_until 5 no_spare
    hf alice start one --wait --timeout 20 >/dev/null 2>"$SCRATCH/err"; code=$?
    kill "$tracer"; wait "$tracer" 2>/dev/null
    if grep -q INJECTED "$SCRATCH/trace"; then
        is $code 1 "$call fails: a start fails: $(head -c 120 "$SCRATCH/err")"
        unlike "$(<"$SCRATCH/err")" 'veth.*No such process' "and the reason is told, not what came of it"
    else
        hf alice kill one --wait --timeout 10 >/dev/null 2>&1
        skip "$call fails" "it is not used"
    fi
done
exits 0 "a start works again" hf alice start one --wait --timeout 20
exits 0 "and a stop" hf alice stop one --wait --timeout 20

# A disk that fails under a transfer: the session's own writes.
for what in 'pwrite64 ENOSPC' 'pwrite64 EDQUOT' 'pwrite64 EIO' 'pwritev EIO'; do
    read -r call error <<<"$what"
    timeout 60 sftp -F "$SSH_CONFIG" -l 8000 -b <(printf 'put %s /one/failing\n' "$SCRATCH/data") alice >/dev/null 2>"$SCRATCH/err" & client=$!
    there() { [ -n "$(role_pids session)" ] && [ -n "$(role_pids files)" ]; }
    wait_until 10 there; sleep 0.3
    failing "$call" "$error" "$(role_pids session | head -n 1)" 3+
    wait $client; code=$?
    kill "$tracer" 2>/dev/null; wait "$tracer" 2>/dev/null
    if grep -q INJECTED "$SCRATCH/trace"; then
        isnt $code 0 "$call: $error in a transfer: the client is told: $(tail -n 1 "$SCRATCH/err" | head -c 100)"
        [ "$error" = EIO ] || like "$(<"$SCRATCH/err")" 'quota exceeded|[Nn]o space|Failure' "$error reads as a full disk"
    else
        skip "$call: $error in a transfer" "it is not used"
    fi
done
ok "the next transfer works" batch alice <<<"put $SCRATCH/data /one/fine"

failing accept4 EMFILE
timeout 3 "${SSH[@]}" -o ConnectTimeout=2 alice true >/dev/null 2>&1
before=$(awk '{ print $14 + $15 }' "/proc/$SERVER_PID/stat"); sleep 2
after=$(awk '{ print $14 + $15 }' "/proc/$SERVER_PID/stat")
kill "$tracer"; wait "$tracer" 2>/dev/null
atmost $((after - before)) 120 "no descriptor left: the daemon does not spin, ticks in 2 s"
ok "accept works again" wait_until 10 hf alice true

failing fsync,fdatasync EIO "$(role_pids store)"
timeout 20 "$TOOL" --run "$RUN" reload >/dev/null 2>&1
hf alice backup create one >/dev/null 2>&1
kill "$tracer" 2>/dev/null; wait "$tracer" 2>/dev/null
ok "fsync failed in the store: logins work" wait_until 20 hf alice true
ok "the daemon is up" alive "$SERVER_PID"
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
