#!/bin/bash
# The console with real clients: who typed what is recorded, and no secret with it; viewers that stop or flood; who else is there.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need ssh python3
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
allow = bob: console activity
[server term]
owner = alice
command = ./run
tty = yes
disk = 16M
network = none
E2
rig_up --ini "$SCRATCH/more.ini"
batch alice <<<"put -p \"$HERE/t/payload/echo\" /one/run" >/dev/null
put_run term <<'E2'
#!/bin/bash
echo "tty: $(tty)"
while read -r line; do
    case $line in
    login) read -rsp "Password:" word; [ "$word" = hunter2 ] && echo " welcome" || echo " no" ;;
    *) echo "heard: $line" ;;
    esac
done
E2
ok "one with pipes runs" started one
ok "one with a terminal" started term
# "TEXT HIDDEN" of lines typed into a server, the oldest first.
typed() { hf alice activity "$1" -n 1000 --json | python3 -c '
import json, sys
for r in map(json.loads, sys.stdin):
    if r["action"] == "input":
        print(r["path"], r["hidden"], "" if r["times"] == 1 else r["times"], sep="|")'; }
says() { hf alice logs "$1" -n 200 | grep -q -- "$2"; }

# --- who typed what -------------------------------------------------------------------------------------------------------------------------

{ echo "by filter"; sleep 1; } | hf alice console one >/dev/null
hf alice send one say "to all"
is "$(typed one)" "by filter|False|
say to all|False|" "lines through a filter and by send are recorded"
like "$(hf bob activity one)" "alice +127\.[0-9.]+ +one +input +say to all" "with who and from where, for those who may see it"
unlike "$(<"$LOG")" "to all" "the daemon's log has none of it"
hf alice send one "$(printf "'a\033]0;x\007b'")"
line=$(hf alice activity one -n 1)
like "$line" 'input +a.x1b\]0;x.x07b' "control characters that were typed are escaped in words"

hf alice send --expect "'heard: hello'" term hello >/dev/null
is "$(typed term)" "hello|False|" "a line on a terminal is recorded"
cat >"$SCRATCH/login.py" <<'E2'
import os, pty, select, subprocess, sys, time
def attach(steps):
    master, slave = pty.openpty()
    p = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen, mark, until = b"", 0, time.monotonic() + 60
    while steps and time.monotonic() < until:
        if select.select([master], [], [], 0.2)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                break
        at = seen.find(steps[0][0], mark)
        if at >= 0:
            mark = at + len(steps[0][0])
            time.sleep(0.3)
            os.write(master, steps.pop(0)[1])
    while time.monotonic() < until:
        try:
            if not os.read(master, 65536):
                break
        except OSError:
            break
    p.kill() if time.monotonic() >= until else None
    p.wait()
    return not steps
sys.exit(not attach([(b"ctrl-]", b"login\r"), (b"Password:", b"hunter2\r"), (b"welcome", b"after\r"), (b"heard: after", b"\x1d")]))
E2
ok "a password is typed at a prompt without echo, by hand" python3 "$SCRATCH/login.py" ssh -F "$SSH_CONFIG" -tt alice console term
after() { typed term | grep -q "^after|"; }
wait_until 10 after
like "$(typed term | tr '\n' ' ')" '^hello\|False\| (login\|False\| \(hidden\)\|True\||\(hidden\)\|True\|2) after\|False\| $' \
    "its line is hidden, and what brought the prompt may be; those around are not"
hf alice send term login
asked() { [ "$(hf alice logs term -n 200 | grep -c welcome)" = 1 ]; }
wait_until 10 asked
sleep 1
hf alice send --expect welcome term hunter2 >/dev/null
is "$(typed term | tail -n 1)" "(hidden)|True|" "nor is one that a script sends"
hf alice send term login; hf alice send --expect welcome term hunter2 >/dev/null
{ echo login; echo hunter2; sleep 1; } | hf alice console term >/dev/null
for where in "$PREFIX/state/store/activity.db" "$PREFIX/state/store/activity.db-wal" "$LOG"; do
    is "$(grep -c hunter2 "$where" 2>/dev/null)" 0 "$(basename "$where") does not hold it"
done
like "$(hf bob activity one --json | tail -n 1)" '"hidden":false' "the JSON says what is hidden"

done_testing
