#!/bin/bash
# System calls that an admin adds or takes away: what is printed, what is loaded, what an errand has, what is refused.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
[ "$(uname -m)" = x86_64 ] || skip_all "numbers of x86_64"
cat >"$SCRATCH/more.ini" <<'EOF'
[server one]
restart = never
[server two]
seccomp = +ptrace   -chmod
seccomp = -mq_open
restart = never
EOF
rig_up --ini "$SCRATCH/more.ini"
S=$CONFIG/servers.d/rig.ini
ask() { timeout 30 "$TOOL" --run "$RUN" "$@"; }
reload() { ask reload; }
change() { sed -i "/^seccomp = /d; /^\[server two\]/a seccomp = $1" "$S"; }
bpf() { python3 -B "$HERE/t/lib/bpf.py" "$@"; }
# What the kernel has loaded for a process answers, one word a call.
loaded() { bpf "$@" 2>&1 | sed 's/^[^ ]* //' | tr '\n' ' '; }
PTRACE=101 MQ_OPEN=240 CHMOD=90 SOCKET=41:1,1 MOUNT=165 READ=0 VMSPLICE=278 KCMP=312
cat >"$SCRATCH/calls" <<'EOF'
#!/usr/bin/python3
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
said = []
for name, nr, *args in (("ptrace", 101, 0), ("mq_open", 240, b"x", 0x42, 0o600, None), ("chmod", 90, b"/home/server/run", 0o755), ("mount", 165, 0, 0, 0, 0, 0)):
    ctypes.set_errno(0)
    libc.syscall(nr, *args)
    said.append(f"{name}={ctypes.get_errno()}")
print("calls", *said, flush=True)
while True:
    time.sleep(1)
EOF

# --- what is printed ------------------------------------------------------------------------------------------------------------------------

known() { ask server show two >/dev/null 2>&1; }
wait_until 30 known     # the daemon answers before the store has told it of the servers
exits 0 "the filter is printed" ask server seccomp two
like "$out" '^# changes by the ini files: \+ptrace   -chmod -mq_open' "with the changes"
like "$out" 'ptrace +- +allow +added by the admin' "what was added"
like "$out" 'chmod +- +errno EPERM +taken away by the admin' "what was taken away"
like "$out" 'ioctl +arg1 &LOW32==TIOCSTI +errno EPERM +types into a terminal' "conditions and reasons"
unlike "$out" 'it runs with other changes' "nothing runs yet"
exits 0 "as objects" ask --json server seccomp two
echo "$out" >"$SCRATCH/rows"
ok "each line is one" python3 -c '
import json, sys
assert all(set(json.loads(l)) == {"call", "number", "conditions", "action", "reason"} for l in open(sys.argv[1]))' "$SCRATCH/rows"
exits 0 "of a server without changes" ask server seccomp one
like "$out" 'ptrace +- +errno EPERM' "the profile as it is"
like "$out" '^# changes by the ini files: none' "and it says so"
nok "of no server" ask server seccomp nosuch
nok "without a name" ask server seccomp

# --- what is loaded ---------------------------------------------------------------------------------------------------------------------------

calls_said() { hf alice logs "$1" -n 50 2>/dev/null | grep -q 'calls '; }
for s in one two; do
    put_run $s <"$SCRATCH/calls"
    started $s >/dev/null 2>&1
    wait_until 30 calls_said $s
done
like "$(hf alice logs one -n 50)" 'calls ptrace=1 mq_open=0 chmod=0 mount=1' "a server as it is"
like "$(hf alice logs two -n 50)" 'calls ptrace=0 mq_open=1 chmod=1 mount=1' "a changed one"
one=$(field one pid) two=$(field two pid)
kernel_tells() { bpf "$one" $READ >/dev/null 2>&1; }
if kernel_tells; then
    is "$(loaded "$one" $PTRACE $MQ_OPEN $CHMOD $MOUNT $READ)" "1 allow allow 1 allow " "so says the kernel of the one"
    is "$(loaded "$two" $PTRACE $MQ_OPEN $CHMOD $MOUNT $READ)" "allow 1 1 1 allow " "and of the other"
    ok "what is printed is what is loaded" python3 -B "$HERE/t/lib/bpf.py" --rows "$SCRATCH/rows" "$two"
else
    skip "the kernel says what it has loaded" "this kernel does not (checkpoint/restore)"
fi

# --- errands --------------------------------------------------------------------------------------------------------------------------------------

head -c 3000000 /dev/urandom >"$SCRATCH/big"
errand_pid() { local p; for p in $(role_pids init); do [ "$p" != "$one" ] && [ "$p" != "$two" ] && { echo "$p" >"$SCRATCH/errand"; return 0; }; done; return 1; }
errand_of() {   # SERVER: what the kernel answers an errand on its files
    timeout 120 rsync --bwlimit=100 -e "ssh -F $SSH_CONFIG" "$SCRATCH/big" "alice:/$1/big" >"$SCRATCH/rsync" 2>&1 & local job=$!
    wait_until 30 errand_pid && loaded "$(cat "$SCRATCH/errand")" $SOCKET $PTRACE $CHMOD $READ
    kill $job
    wait $job
    wait_until 30 no_errand
}
no_errand() { ! errand_pid; }
if kernel_tells; then
    is "$(errand_of one)" "1 1 allow allow " "an errand has the tool's profile" || diag "$(cat "$SCRATCH/rsync")"
    is "$(errand_of two)" "1 1 1 allow " "and loses what its server lost, without what that was given"
fi

# --- changes that are none ------------------------------------------------------------------------------------------------------------------------

while IFS='|' read -r words said; do
    change "$words"
    exits 1 "a reload with 'seccomp = $words' fails" reload
    like "$out$err" "$said" "and says why"
done <<'EOF'
+mount|servers.d/rig.ini:[0-9]+: server two: seccomp: 'mount' can never be added: file systems
+ptrace +setns|'setns' can never be added: namespaces
+clone3|'clone3' can never be added: its flags
+bpf|'bpf' can never be added
+keyctl|'keyctl' can never be added: keys are not namespaced
-execve|'execve' cannot be taken away, the sandbox's own init needs it
+nosuchcall|'nosuchcall' is no system call
+ptrace -ptrace|'ptrace' is named twice
ptrace|servers.d/rig.ini:[0-9]+: bad value 'ptrace' of 'seccomp'.*allowed: \+CALL or -CALL
+pt race|bad value
EOF
nok "holdfastd -t says so as well" "$DAEMON" -c "$CONFIG" -t
like "$out$err" "bad value '\+pt race' of 'seccomp'" "in the same words"

# --- a change takes hold at the next start ------------------------------------------------------------------------------------------------------------

change '+vmsplice'
exits 0 "a reload that changes them" reload
exits 0 "printed" ask server seccomp two
like "$out" 'it runs with other changes until it is restarted: \+ptrace' "the running one has those of its start"
exits 0 "restart" hf alice restart two --wait --timeout 60
ask server seccomp two >"$SCRATCH/shown"
unlike "$(cat "$SCRATCH/shown")" 'with other changes' "then it has the new ones"
! kernel_tells || is "$(loaded "$(field two pid)" $VMSPLICE $PTRACE)" "allow 1 " "loaded too"

# --- no filter, no server --------------------------------------------------------------------------------------------------------------------------------

exits 0 "stop" hf alice stop two --wait --timeout 60
mv "$PREFIX/libexec/holdfast-policy" "$SCRATCH/kept"
cp /bin/false "$PREFIX/libexec/holdfast-policy"
exits 0 "a filter made before is kept" hf alice start two --wait --timeout 60
exits 0 "stop" hf alice stop two --wait --timeout 60
change '+kcmp'
exits 0 "reload" reload
run hf alice start two --wait --timeout 60
isnt "$rc" 0 "one that cannot be made is no start"
like "$out$err$(cat "$LOG")" 'server.launch.*seccomp: holdfast-policy: exit code 1' "and the reason is told"
isnt "$(field two state)" running "it does not run"
exits 1 "nor is it printed" ask server seccomp two
like "$err" 'holdfast-policy: exit code 1' "with the same reason"
rm "$PREFIX/libexec/holdfast-policy"
mv "$SCRATCH/kept" "$PREFIX/libexec/holdfast-policy"
exits 0 "it starts when it can be made" hf alice start two --wait --timeout 60
! kernel_tells || is "$(loaded "$(field two pid)" $KCMP $VMSPLICE)" "allow 1 " "with it"

# --- after the daemon -------------------------------------------------------------------------------------------------------------------------------------

kill -9 "$SERVER_PID"
wait_until 10 bash -c "! kill -0 $SERVER_PID 2>/dev/null"
eval "$("$HERE/t/rig" start "$PREFIX")"
ok "a daemon started anew has the server" wait_until 30 state_is two running
exits 0 "printed" ask server seccomp two
like "$out" 'it runs and was started by an earlier daemon' "what it was started with is not known"
ok "the daemon is up" daemon_up
done_testing
