#!/bin/bash
# What happened, for who may see it: states, crashes, backups, logins; from a place on, while it happens, over a death of the store; and the
# admin's own program for each.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need setpriv
scratch
chmod 0755 "$SCRATCH"
mkdir -m 1777 "$SCRATCH/told"
cat >"$SCRATCH/sink" <<EOF
#!/bin/bash
line=\$(cat)
echo "\$line" >>$SCRATCH/told/lines
case \$HOLDFAST_SERVER:\$HOLDFAST_EVENT in
two:starting) id -u >$SCRATCH/told/uid; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status >$SCRATCH/told/status; env >$SCRATCH/told/env
    ls -l /proc/self/fd >$SCRATCH/told/fds; unshare -U true 2>$SCRATCH/told/unshare; cat "\$1" 2>$SCRATCH/told/secret; ulimit -a >$SCRATCH/told/limits ;;
two:running) (setsid sleep 600 & echo \$! >$SCRATCH/told/left); sleep 600 ;;
two:stopping) echo "it went wrong" >&2; exit 7 ;;
esac
EOF
chmod 0755 "$SCRATCH/sink"
printf '[events]\ncommand = %s/sink %s\ntimeout = 2s\n[server one]\nrestart = on-failure\n' "$SCRATCH" "/etc/shadow" >"$SCRATCH/more.ini"
for s in doomed never full; do printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 16M\ninodes = 100\nnetwork = none\n' $s; done >>"$SCRATCH/more.ini"
printf '[server doomed]\nrestart_tries = 2\nrestart_window = 1h\n[server never]\nrestart = never\nready = line:up\nstart_timeout = 1s\n' >>"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
put_run one <<'END'
#!/bin/sh
read what
exit 3
END
put_run two <<'END'
#!/bin/sh
echo up
exec sleep 1000
END
# One member of each event, of JSON lines.
members() { python3 -c '
import json, sys
for line in sys.stdin:
    print(json.loads(line)[sys.argv[1]])' "$1"; }
row() { tr '\n' ' ' | sed 's/ $//'; }

exits 0 "events, before anything happened to servers" hf alice events --json
is "$(members event <<<"$out" | sort -u) $(members account <<<"$out" | sort -u)" "login alice" "her logins, and hers alone"
exits 0 "a server starts" started one
exits 0 "its events" hf alice events one --json
is "$(members event <<<"$out" | row)" "starting running" "are what happened, in order, and no login among them"
is "$(members server <<<"$out" | sort -u)" one "of that server alone"
cursor=$(members id <<<"$out" | tail -1)
like "$(members time <<<"$out" | tail -1)" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$' "with a time"
exits 77 "bob may not ask about it" hf bob events one
exits 0 "his own" hf bob events --json
is "$(members server <<<"$out" | sort -u) $(members account <<<"$out" | sort -u)" "None bob" "are his logins"

# From a place on, and what follows.
timeout 60 "${SSH[@]}" alice events one -f --after "$cursor" --json >"$SCRATCH/follow" 2>"$SCRATCH/follow.err" &
follower=$!
sleep 1
is "$(wc -l <"$SCRATCH/follow")" 0 "nothing has followed yet"
hf alice send one go >/dev/null
ok "a crash is seen while it happens" wait_until 10 grep -q '"event":"restarting"' "$SCRATCH/follow"
like "$(members text <"$SCRATCH/follow" | head -1)" 'code 3' "with the reason"
is "$(members event <"$SCRATCH/follow" | head -1)" crash "which is an event of its own"
is "$(members text <"$SCRATCH/follow" | head -1)" "ended with exit code 3; it is started again in 1 s" "and says what is done about it"
ok "the start after it too" wait_until 20 grep -q '"event":"running"' "$SCRATCH/follow"
seen=$(wc -l <"$SCRATCH/follow")
kill -9 "$(store_pid)"
wait_until 20 eval 'hf alice true'
exits 0 "after a death of the store the server is stopped" stopped one
exits 0 "and the place is still the place" hf alice events one --after "$cursor" --json
is "$(head -n "$seen" <<<"$out")" "$(head -n "$seen" "$SCRATCH/follow")" "what was told is told again, number by number"
like "$(members event <<<"$out" | tail -1)" offline "and what came since"
kill $follower 2>/dev/null
exits 0 "the last two" hf alice events one -n 2 --json
is "$(members event <<<"$out" | row)" "stopping offline" "are the last two"
exits 0 "for a person" hf alice events one -n 2
like "$out" 'offline' "in words"
exits 2 "an id that is none" hf alice events --after x
exits 2 "both at once" hf alice events --after 3 -n 4
exits 0 "a backup" hf alice backup create one
exits 0 "is an event" hf alice events one -n 1 --json
is "$(members event <<<"$out") $(members account <<<"$out")" "backup alice" "with whose it is"

# Crashes, to the end; and one that is no crash.
printf '#!/bin/sh\nkill -SEGV $$\n' | put_run doomed
printf '#!/bin/sh\necho not yet; sleep 100\n' | put_run never
printf '#!/bin/sh\nexit 0\n' | put_run full
of() { hf alice events "$1" --json | python3 -c '
import json, sys
for e in map(json.loads, sys.stdin):
    if e["event"] == sys.argv[1]: print(e["text"])' "$2"; }
hf alice start doomed >/dev/null
ok "one that always crashes is given up" wait_until 30 state_is doomed failed
is "$(of doomed crash)" "ended by signal 11 (SIGSEGV); it is started again in 1 s
ended by signal 11 (SIGSEGV); given up after 2 failures within 3600 s" "each crash is told, and that it was the last"
hf alice start never >/dev/null
ok "one that is never ready" wait_until 30 state_is never failed
is "$(of never crash)" "stopped, as it was not ready 1s after its start; it is not started again (restart = never)" "is told with why it stays down"
hf alice start full >/dev/null
ok "one that ends as it should" wait_until 20 state_is full offline
is "$(of full crash)" "" "has not crashed"
hf alice start never >/dev/null; hf alice kill never --wait >/dev/null
is "$(of never crash | wc -l)" 1 "nor has one that was killed by order"

# A disk that fills, each mark once.
# Never less in between: the daemon may look at any time.
bytes() { as_server full sh -c "touch fill; fallocate -l $1 fill && truncate -s $1 fill || head -c $1 /dev/zero >>fill; sync" 2>/dev/null; hf alice status full >/dev/null; }
marks() { of full quota | sed -E 's/([0-9])[0-9]*% full: [0-9]+ of/\1.% of/; s/: [0-9]+ of/ of/' | row; }
is "$(marks)" "" "an empty disk is no event"
bytes 13900000; bytes 13900000
is "$(marks)" "its disk is 8.% of 16777216 bytes" "80 percent of a disk are told once"
bytes 13000000; bytes 13900000
is "$(marks)" "its disk is 8.% of 16777216 bytes" "and not again when it was hardly less"
bytes 16200000; bytes 16200000
is "$(marks)" "its disk is 8.% of 16777216 bytes its disk is 9.% of 16777216 bytes" "95 percent"
bytes 20000000; bytes 20000000
is "$(of full quota | tail -n +3)" "its disk is full: 16777216 of 16777216 bytes" "nothing left"
bytes 100; bytes 13900000
is "$(of full quota | wc -l)" 4 "and once more after it was empty"
as_server full sh -c 'rm -f fill; i=0; while touch f$i 2>/dev/null; do i=$((i+1)); done'; hf alice status full >/dev/null
is "$(of full quota | tail -n 1)" "its disk is full: 100 of 100 files" "files count as well"

# Eight may wait on a connection; its end lets go of them.
timeout 60 "${SSH[@]}" -M -S "$SCRATCH/mux" -o ControlPersist=30 -N -f alice
for i in 1 2 3 4 5 6 7 8 9; do
    timeout 20 ssh -S "$SCRATCH/mux" -F "$SSH_CONFIG" alice events -f --after 1000000000 >/dev/null 2>"$SCRATCH/wait.$i" &
done
ok "of nine that wait on one connection one is refused" wait_until 15 eval '[ "$(cat "$SCRATCH"/wait.* | grep -c "wait for events")" = 1 ]'
ssh -S "$SCRATCH/mux" -F "$SSH_CONFIG" -O exit alice 2>/dev/null
wait
exits 0 "and others wait again" timeout 20 "${SSH[@]}" alice events one -n 1

# The admin's program.
exits 0 "two starts" started two
ok "the program is told" wait_until 20 grep -q '"server":"two"' "$SCRATCH/told/lines"
ok "its surroundings" wait_until 10 test -s "$SCRATCH/told/limits"
like "$(<"$SCRATCH/told/uid")" '^[1-9][0-9]{5,}$' "it runs as a user of its own"
is "$(grep -c 'Cap.*0000000000000000$' "$SCRATCH/told/status")" 5 "without a capability"
like "$(<"$SCRATCH/told/status")" 'NoNewPrivs:.1' "nor a way to one"
like "$(<"$SCRATCH/told/status")" 'Seccomp:.2' "its system calls are filtered"
like "$(<"$SCRATCH/told/unshare")" 'not permitted' "as a server's are"
like "$(<"$SCRATCH/told/secret")" 'Permission denied' "what it may not read it does not read"
is "$(grep -cE ' -> (socket|anon_inode|/dev/fuse|/run)' "$SCRATCH/told/fds")" 0 "no descriptor of ours is open in it"
like "$(<"$SCRATCH/told/env")" 'HOLDFAST_EVENT=starting' "the event is in its environment"
unlike "$(<"$SCRATCH/told/env")" 'SSH|root' "and nothing of ours"
ok "one that takes too long is ended" wait_until 15 logged 'sink.failed .*end=time'
ok "with what it left behind" wait_until 5 eval '! kill -0 "$(<"$SCRATCH/told/left")" 2>/dev/null'
exits 0 "two stops" stopped two
ok "one that fails is in the log, with what it said" wait_until 15 logged 'sink.failed .*number=7 said="it went wrong'
ok "what comes after is told all the same" wait_until 15 grep -q '"event":"offline","server":"two"' "$SCRATCH/told/lines"
is "$(grep '"server":"two"' "$SCRATCH/told/lines" | members event | row)" "starting running stopping offline" "one after the other"

# The ini.
D=$CONFIG/holdfast.ini
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
like "$(<"$D")" "sink" "the program stands in the ini"
sed -i 's|^command = .*/sink .*|command = sink|' "$D"
exits 1 "a program without a path" reload
like "$out$err" 'absolute path' "is refused with what is allowed"
sed -i "s|^command = sink\$|command = $SCRATCH/sink\nonly = offline\nonly = thunder|" "$D"
exits 1 "an event there is not" reload
like "$out$err" "'thunder' is no event; allowed: backup" "is named"
sed -i '/^only = thunder/d' "$D"
exits 0 "those that are wanted" reload
: >"$SCRATCH/told/lines"
exits 0 "two again" started two
exits 0 "stops" stopped two
ok "it is told" wait_until 10 grep -q offline "$SCRATCH/told/lines"
is "$(members event <"$SCRATCH/told/lines" | sort -u)" offline "of nothing else"
ok "nothing of it is left" wait_until 5 eval '[ -z "$(ps -o pid= -u "$(<"$SCRATCH/told/uid")")" ]'
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
