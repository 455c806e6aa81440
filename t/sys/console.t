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


# --- who is there -----------------------------------------------------------------------------------------------------------------------------

sleep 60 | "${SSH[@]}" alice console one >/dev/null 2>&1 & alice=$!
sleep 60 | "${SSH[@]}" bob console one >/dev/null 2>&1 & bob=$!
there() { hf "$1" sessions one --json | python3 -c '
import json, sys
print(sorted((r["account"], r["address"], r["doing"]) for r in map(json.loads, sys.stdin)))'; }
both() { [ "$(there bob)" = "[('alice', '127.0.0.1', 'console one'), ('bob', '127.0.0.1', 'console one')]" ]; }
ok "two accounts at a console are seen by one who may see who did what" wait_until 20 both
is "$(there alice)" "[('alice', '127.0.0.1', 'console one'), ('bob', '127.0.0.1', 'console one')]" "and by its owner"
like "$(hf alice sessions)" ': console one' "sessions says what each does"
exits 77 "a server that is not one's own" hf bob sessions two
hello=$(sleep 2 | timeout 20 "${SSH[@]}" -tt alice console one 2>/dev/null)
like "$hello" 'also here: (alice, bob|bob, alice);' "who attaches is told who is there"
kill "$alice" "$bob" 2>/dev/null
alone() { [ "$(there alice)" = "[]" ]; }
ok "those who leave are gone from it" wait_until 20 alone

# --- terminals are not attacked ---------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/attack.py" <<'E2'
lines = [b"first line", b"\033]0;owned\a\033]2;owned\033\\\033]52;c;ZXZpbA==\a\033]52;c;?\a\033[21t\033[20t",
         b"\033[c\033[>c\033[6n\033[5n\033P$qm\033\\\033[?1$p\033[x\033]11;?\033\\\005\033Z",
         b"\033[1;1Howned\033[2J\033[A\033[A\033[A\033[2Kowned\033c\0337\033M\033M\033Mowned",
         b"\033[?1049h\033[?2004h\033[?1000h\033[?25l\033[201~owned by paste", b"\xe2\x80\xaeowned backwards\xe2\x80\xac \033(0qqq \x9b6n \xc2\x9b6n \xc2\x9d0;owned\a",
         b"\033_apc\033\\\033^pm\033\\\033Xsos\033\\\033Pq#0~~\033\\\033[31mred\033[m plain", b"last line", b"\033]0;never ends"]
import sys
open(sys.argv[1], "wb").write(b"\n".join(lines))
E2
cat >"$SCRATCH/look.py" <<'E2'
"""What a person's terminal makes of a command: SAFE, or what went wrong."""
import os, pty, re, select, subprocess, sys, time
import pyte
class Screen(pyte.Screen):
    answers = ""
    def write_process_input(self, data):
        self.answers += data
def look(last, command):
    screen = Screen(100, 60)
    stream = pyte.ByteStream(screen)
    screen.set_title("mine")
    master, slave = pty.openpty()
    p = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen, until = b"", time.monotonic() + 15
    while time.monotonic() < until and last not in seen:
        if select.select([master], [], [], 0.2)[0]:
            try:
                got = os.read(master, 65536)
            except OSError:
                break
            seen += got
    p.kill()
    p.wait()
    stream.feed(seen)
    text = [line.rstrip() for line in screen.display if line.strip()]
    wrong = []
    if screen.title != "mine" or screen.icon_name:
        wrong.append("title " + screen.title)
    if screen.answers:
        wrong.append("it answers " + repr(screen.answers))
    if last not in seen or not any("first line" in line for line in text):
        wrong.append("not shown whole")
    if any(re.search(r"(^|[\t|] ?)owned$", line) and "first" in line for line in text):
        wrong.append("overwritten")
    # ESC [ J is the line editor's own.
    if re.search(rb"\033(?!\[[0-9;:]*[mK]|\[J)|[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]", seen):
        wrong.append("raw bytes " + repr(seen))
    if screen.mode & {1049 << 5, 2004 << 5, 1000 << 5} or 25 << 5 not in screen.mode:
        wrong.append("modes")
    print(wrong or "SAFE")
look(sys.argv[1].encode(), sys.argv[2:])
E2
python3 "$SCRATCH/attack.py" "$SCRATCH/attack"
batch alice >/dev/null <<<"put \"$SCRATCH/attack\" /one/attack"
hf alice send --expect "'last line'" one "'sh cat attack; echo'" >/dev/null
sees() { /usr/bin/python3 "$SCRATCH/look.py" "$@"; }
if ! /usr/bin/python3 -c 'import pyte' 2>/dev/null; then
    skip "python3-pyte, a terminal" "is not installed"
else
    is "$(sees "last line" cat "$SCRATCH/attack" | grep -c "title.*answers.*modes")" 1 "a terminal that is shown it as it is obeys"
    is "$(sees "last line" ssh -F "$SSH_CONFIG" -tt alice console one)" SAFE "console on a terminal"
    is "$(sees "last line" ssh -F "$SSH_CONFIG" -tt alice logs one -n 30)" SAFE "logs on a terminal"
    is "$(sees "last line" ssh -F "$SSH_CONFIG" -tt alice logs one -n 30 -f)" SAFE "logs -f"
    is "$(sees "last line" ssh -F "$SSH_CONFIG" -tt alice logs one -n 30 --json)" SAFE "logs --json"
    is "$(sees "plain" bash -c 'echo "first line"; ssh -F "$1" -tt alice send --expect plain one "\"sh cat attack; echo\""' - "$SSH_CONFIG")" SAFE "send --expect"
fi
like "$(hf alice logs one -n 60 --raw)" $'\033]0;owned' "logs --raw has it as it came"

# --- what it said stays -----------------------------------------------------------------------------------------------------------------------------

used=$(field one disk_used)
hf alice send one "'sh i=0; while [ \$i -lt 40000 ]; do echo a line that fills the log, not the disk of the server; i=\$((i + 1)); done; echo all is said'"
ok "a server says much" wait_until 100 says one 'all is said'
atleast "$(cat "$PREFIX"/state/logs/one/console.log* | wc -c)" 2000000 "all of it is kept"
atmost "$(field one disk_used)" $((used + 65536)) "and not counted to its disk"
shim=
for p in $(role_pids shim); do tr '\0' ' ' <"/proc/$p/cmdline" | grep -q ' one ' && shim=$p; done
ok "its shim is killed" kill -KILL "$shim"
over() { [ "$(field one state)" != running ] || [ "$(field one restarts)" -gt 0 ]; }
ok "which ends it" wait_until 20 over
ok "what it said last is there" says one 'all is said'
started one >/dev/null
ok "and still, when it runs again" says one 'all is said'

done_testing
