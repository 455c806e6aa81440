#!/usr/bin/python3 -B
"""Types at real prompts and consoles and looks at the screen; prints "ok WORDS" and "not ok WORDS" for tap.sh.

  prompt_try.py PREFIX PART...
"""
import os
import re
import shlex
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from roles import of_role
from terminal import Terminal

PREFIX = sys.argv[1]
ENV = dict(line.rstrip("\n").split("=", 1) for line in open(f"{PREFIX}/rig.env") if "=" in line)
FAILED = []
SSH = ["ssh", "-F", ENV["SSH_CONFIG"], "-tt"]


def say(good, words, t=None):
    print(f"{'ok' if good else 'not ok'} {words}", flush=True)
    FAILED.append(words) if not good else None
    if len(FAILED) > 5:
        print("not ok too much fails, the rest is left out")
        sys.exit(1)
    if not good and t is not None:
        print("\n".join(f"| {line}" for line in (t.all() if isinstance(t, Terminal) else str(t).splitlines())[-24:]), flush=True)
    return good


def hf(who, *command):
    return subprocess.run(["ssh", "-F", ENV["SSH_CONFIG"], who, *command], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def send(text):
    return hf("alice", "send", "one", shlex.quote(text))


def prompts():
    return of_role(PREFIX, "prompt")


def begin(who="alice", *command, **size):
    t = Terminal([*SSH, who, *command], **size)
    if not command:
        say(t.wait(lambda: t.line() == "alice>"), "a prompt comes", t) or sys.exit(1)
    return t


def at(t, line, seconds=10):
    return t.wait(lambda: t.line() == line, seconds)


def types(t, keys, line, words):
    t.type(keys)
    say(at(t, line), words, t)


def leave(t, keys="\x04", words="ctrl-D ends it with exit 0"):
    t.type(keys)
    say(t.end() == 0, words, f"{t.status}\n" + "\n".join(t.all()[-5:]))
    t.close()


def editing():
    t = begin()
    say("alice" in t.all()[0] and any("ctrl-D ends" in line for line in t.all()), "behind greeting and status", t)
    types(t, "vesrion\x02\x02\x02\x02\x14", "alice> version", "ctrl-T swaps, ctrl-B goes left")
    types(t, "\x01x\x05y", "alice> xversiony", "ctrl-A and ctrl-E go to the ends")
    types(t, "\x7f\x1b[H\x1b[3~", "alice> version", "backspace, Home, Delete")
    types(t, "\x1b[F --json\x17\x7f", "alice> version", "End; ctrl-W takes a word")
    types(t, "\x1b[D\x1b[D\x1b[DX\x1b[CY", "alice> versXiYon", "arrows move")
    types(t, "\x15", "alice> on", "ctrl-U takes what is before the cursor")
    types(t, "\x0b\x0becho a b c\x1b[1;5D\x1b[1;5Dx", "alice> echo a xb c", "ctrl-K; ctrl-left goes by words")
    types(t, "\x01\x0b\x19\x19", "alice> echo a xb cecho a xb c", "ctrl-Y puts back")
    types(t, "\x15\x0b", "alice>", "and all is gone")
    types(t, "\x1b[5~\x1b[20;2~\x1b]0;x\x07\x16\x1ax", "alice> x", "keys without a meaning are no text")
    types(t, "\x7f" + "gr\u00fcn \u6f22\u5b57\x1b[D\x1b[D\x7f", "alice> gr\u00fcn\u6f22\u5b57", "characters of several bytes and columns")
    types(t, "\x15\x0becho " + "0123456789" * 12 + "\x01\x06\x06\x06\x06\x06E\r", "alice>", "a line longer than the window")
    say(any("E01234" in line for line in t.all()) and any(line.endswith("456789") for line in t.all()), "is run as it was typed", t)
    t.type("echo one; two\r")
    say(t.wait("quote it") and at(t, "[2] alice>"), "an error is told and the code stands in the prompt", t)
    types(t, "status one\r", "[3] alice>", "that of a state as well")
    types(t, "\r", "alice>", "an empty line is none")
    t.type("echo first\recho second\r")
    say(t.wait("second") and at(t, "alice>"), "two lines at once are two commands", t)
    types(t, "\x1b[A", "alice> echo second", "up is the last line")
    types(t, "\x1b[A", "alice> echo first", "and the one before")
    types(t, "\x1b[B", "alice> echo second", "down comes back")
    types(t, "\x03", "alice>", "ctrl-C cancels the line")
    say(any(line.endswith("echo second^C") for line in t.all()), "which stays to be seen", t)
    t.type("x" * 5000)
    t.still(1)
    t.type("\r")
    say(t.wait("unknown verb 'xxx") and at(t, "[127] alice>"), "a line without end is cut at its bound", t)
    leave(t)
    t = begin()
    leave(t, "exit\r", "exit ends it with exit 0")
    t = begin()
    leave(t, "nonsense\rexit\r", "also behind an error")
    t = begin(term="no-such-terminal")
    types(t, "versoin\x02\x02\x02\x02\x14\r", "[127] alice>", "an unknown kind of terminal edits as well")
    leave(t)
    p = subprocess.run([*SSH, "alice"], input=b"version\nsend\nstatus one\n", capture_output=True, timeout=60)
    say(p.returncode == 0 and b"holdfast 0" in p.stdout, "input that ends, without a terminal of its own, ends it with 0", p)
    p = subprocess.run(["ssh", "-F", ENV["SSH_CONFIG"], "alice"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    say(p.returncode == 0 and b"alice>" not in p.stdout and b"\033" not in p.stdout, "no terminal: greeting and status only", p)


def completion():
    os.environ["LC_ALL"] = "C.UTF-8"
    t = begin()
    types(t, "vers\t", "alice> version", "a verb")
    types(t, "\x15ba\t", "alice> backup", "the first word of a verb of two")
    types(t, "cr\t", "alice> backup create", "the second")
    types(t, "\x15backup \t\t", "alice> backup", "several")
    say(t.wait(lambda: any(re.fullmatch(r"create +get +list", line) for line in t.all())), "are listed", t)
    types(t, "\x15start o\t", "alice> start one", "a server")
    types(t, "--w\t", "alice> start one --wait", "an option")
    types(t, "\x15start th\t", "alice> start th", "not the server of somebody else")
    types(t, "\x15md5sum /o\t", "alice> md5sum /one/", "a server as a folder")
    types(t, "fol\t", "alice> md5sum /one/folder/", "a folder in it")
    types(t, "a\t", "alice> md5sum /one/folder/a\\ file", "a file, with its name quoted")
    t.type("\r")
    say(t.wait("d41d8cd98f00b204e9800998ecf8427e  /one/folder/a file"), "which the verb takes", t)
    at(t, "alice>")
    types(t, "md5sum /one/folder/many\t\t", "alice> md5sum /one/folder/many", "hundreds of files")
    say(t.wait(lambda: any(re.fullmatch(r"and \d+ more", line) for line in t.all())), "are listed up to a bound", t)
    types(t, "\x15md5sum /one/nosuch/\t", "alice> md5sum /one/nosuch/", "what is not there")
    types(t, "\x15md5sum /three/\t", "alice> md5sum /three/", "and what is somebody else's has no names")
    types(t, "\x15help back\t", "alice> help backup", "a verb behind help")
    types(t, "\x01\x06\x06\t", "alice> help backup", "in the middle of a word nothing is lost")
    types(t, "\x05\x15qqq\t", "alice> qqq", "no such verb")
    types(t, "\x7f\x7f\x7f", "alice>", "and goes on")
    leave(t)


def verbs():
    t = begin()
    types(t, "start one --wait\r", "alice>", "start --wait runs")
    t.type("logs one -f\r")
    say(t.wait(lambda: t.line() == "" and any("up as" in line for line in t.all())), "logs -f shows", t)
    types(t, "\x03", "alice>", "ctrl-C ends it and comes back")
    t.type("logs one -f\r")
    t.wait(lambda: t.line() == "")
    t.type("echo typed-ahead\x03")
    say(at(t, "alice>") and not any(line == "typed-ahead" for line in t.all()), "ctrl-C voids what was typed ahead of it", t)
    t.type("send one --expect done --timeout 20 'sh sleep 1'\recho typed ahead\r")
    say(t.wait(lambda: "typed ahead" in t.all()) and at(t, "alice>"), "what is typed while a verb runs is the next line", t)
    t.type("top\r")
    say(t.wait(lambda: "\x1b[?1049h" in t.raw.decode(errors="replace") and "cpu%" in t.raw.decode(errors="replace")), "top shows its screen", t)
    types(t, "q", "alice>", "and leaves it")
    t.type("passwd\r")
    say(t.wait(lambda: t.line() == "Old password:"), "passwd asks", t)
    t.type("secret words\r")
    say(t.wait(lambda: t.line() == "New password:") and b"secret" not in t.raw, "and shows nothing", t)
    types(t, "\x03", "[1] alice>", "ctrl-C leaves it")
    t.type("totp verify\r")
    say(t.wait("usage: totp verify CODE") and at(t, "[2] alice>"), "usage as ever", t)
    t.type("md5sum\r")
    t.still()
    types(t, "\x03", "[1] alice>", "a verb that reads can be interrupted")
    t.type("scp -t /one\r")
    t.wait(lambda: b"\0" in t.raw)
    types(t, "\x03", "[1] alice>", "also one that speaks a protocol")
    types(t, "help exit\r", "alice>", "help")
    t.resize(40, 10)
    t.type("echo " + "ab" * 30 + "\x01\x06\x06\x06\x06\x06X\r")
    say(t.wait(lambda: any(line.startswith("Xabab") for line in t.all())) and at(t, "alice>"), "after the window became smaller lines break there", t)
    leave(t)


def console():
    hf("alice", "start", "one", "--wait")
    t = begin("alice", columns=60, rows=16)
    t.type("console one\r")
    say(t.wait("[attached; ctrl-] leaves the console]"), "console: the key that leaves it is shown", t)
    t.type("half a li")
    say(at(t, "half a li"), "console: keys are shown", t)
    send("other words")
    say(t.wait("heard: other words") and at(t, "half a li"), "console: output comes above what is being typed", t)
    types(t, "ne\x1b[D\x1b[D\x1b[DX", "half a lXine", "console: which is still edited")
    t.type("\x7f\r")
    say(t.wait("heard: half a line"), "console: a line is sent whole", t)
    rows = t.all()
    say(rows.count("half a line") == 1 and rows.count("heard: half a line") == 1, "console: and stands there once", t)
    types(t, "\x1b[A", "half a line", "console: history")
    types(t, "\x15", "", "console: of its own")
    text = "".join(f"{i:03d}-" for i in range(40))
    t.type(text)
    say(t.wait(lambda: "".join(t.lines()).endswith(text)), "console: a line of three rows", t)
    send("in between")
    say(t.wait("heard: in between") and t.wait(lambda: "".join(t.lines()).endswith(text)), "console: stays whole when output comes", t)
    say("".join(t.all()).count(text) == 1, "console: and is there once", t)
    t.type("\x01\x0b")
    wide = "\u6f22\u5b57" * 20
    t.type(wide)
    t.wait(lambda: t.screen.cursor.y > 0 and "".join(t.lines()).count("\u6f22") == 20)
    send("gr\u00fcn")
    say(t.wait("heard: gr\u00fcn") and t.wait(lambda: "".join(t.lines()[-2:]).replace(" ", "").endswith(wide)), "console: so does one of wide characters", t)
    t.type("\r")
    say(t.wait(lambda: "heard:" + wide in "".join(t.all()).replace(" ", "")), "console: which arrives as it is", t)
    send("sh printf 'question? '; sleep 2")
    say(at(t, "question?"), "console: a line without end stands before what is typed", t)
    types(t, "yes", "question? yes", "console: beside it")
    say(t.wait(lambda: any(line.startswith("question? done sh") or line.startswith("question? done ") for line in t.all())) and at(t, "yes"),
        "console: and goes on when there is more", t)
    types(t, "\x03", "", "console: ctrl-C takes the line back")
    say(any("nothing was sent" in line for line in t.all()) and hf("alice", "status", "one").returncode == 0, "console: and kills nothing", t)
    types(t, "\x04", "", "console: nor does ctrl-D")
    t.resize(30, 12)
    t.type("after a resize that is long enough")
    t.still()
    send("resized")
    say(t.wait("heard: resized") and t.wait(lambda: "".join(t.lines()).endswith("after a resize that is long enough")), "console: after another size too", t)
    before = len(t.raw)
    send(r"sh printf '\033]0;ow''ned\007\033[2J\033[6nend of at''tack\n'")
    say(t.wait("end of attack") and b"\x1b]0;" not in t.raw[before:] and b"\x1b[6n" not in t.raw[before:] and b"\x1b[2J" not in t.raw[before:],
        "console: what attacks terminals does not get there", t)
    types(t, "\x1dversion\r", "alice>", "console: ctrl-] comes back to the prompt, and what is typed behind it is a command")
    say(any("[detached; the server runs on]" in line for line in t.all()) and any(line.startswith("holdfast 0") for line in t.all()), "console: says so", t)
    types(t, "\x1b[A", "alice> version", "console: its history is not the prompt's")
    t.type("\x15console one\r")
    say(t.wait(lambda: t.raw.count(b"[attached;") == 2), "console: again", t)
    send("flood 3000")
    t.type("hi")
    say(t.wait("flood line 2999", 60) and t.wait(lambda: t.line() == "hi"), "console: a flood leaves the line whole", t)
    t.type("\x15exit 3\r")
    say(t.wait(lambda: b"[the server has ended with exit code 3]" in t.raw, 60) and at(t, "alice>"), "console: the end of the server is told, and the prompt is back", t)
    leave(t)


def alone():
    hf("alice", "start", "one", "--wait")
    t = Terminal([*SSH, "alice", "console", "one"])
    say(t.wait("[attached;"), "console alone: attached", t)
    t.type("hello wrold\x02\x02\x02\x14\r")
    say(t.wait("heard: hello world"), "console alone: is edited too", t)
    types(t, "\x1b[A", "hello world", "console alone: has a history")
    types(t, "\x15half", "half", "console alone: a line is begun")
    t.type("\x1d")
    say(t.end() == 0 and any("[detached; the server runs on]" in line for line in t.all()), "console alone: ctrl-] leaves, exit 0", t)
    t.close()
    t = Terminal([*SSH, "bob", "console", "one"])
    say(t.wait("[attached, to watch only;"), "console of a viewer", t)
    n = len(prompts())
    t.type("words\r")
    send("look")
    say(t.wait("heard: look") and not any("words" in line for line in t.all()) and n == 0, "console of a viewer: nothing can be typed", t)
    t.type("\x1d")
    say(t.end() == 0, "console of a viewer: ctrl-] leaves", t)
    t.close()
    t = Terminal([*SSH, "alice", "console", "one", "--raw"])
    say(t.wait("[attached;"), "console --raw", t)
    t.type("ab\x7f\n")
    say(t.wait("heard: ab\x7f".replace("\x7f", "")) and not prompts(), "console --raw: is not edited", t)
    t.type("\x1d")
    say(t.end() == 0, "console --raw: ctrl-] leaves", t)
    t.close()


def killed():
    hf("alice", "start", "one", "--wait")
    t = begin()
    other = begin()
    first = prompts()
    say(len(first) == 2, "two prompts are two processes", first)
    u = Terminal([*SSH, "alice", "console", "one"])
    u.wait("[attached;")
    u.type("edited")
    u.wait("edited")
    third = [p for p in prompts() if p not in first]
    os.kill(third[0], signal.SIGKILL)
    say(u.wait("the line editor of this terminal has ended; the server runs on") and u.end() == 69, "its editor killed, a console says so and exits 69", u)
    u.close()
    for p in first:
        os.kill(p, signal.SIGKILL)
    say(t.wait("the line editor of this terminal has ended") and t.end() == 69, "its editor killed, a prompt says so and exits 69", t)
    say(other.end() == 69, "each of them", other)
    t.close()
    other.close()
    say(hf("alice", "status", "one").returncode == 0, "and the server runs")
    t = begin()
    t.type("top\r")
    t.wait(lambda: b"cpu%" in t.raw)
    os.kill(prompts()[0], signal.SIGKILL)
    t.still()
    say(t.status is None, "while a verb runs, it runs on", t)
    t.type("q")
    say(t.end() == 69 and any("has ended" in line for line in t.all()), "and then it is told", t)
    t.close()


def refused():
    program = f"{PREFIX}/libexec/holdfast-prompt"
    os.rename(program, program + ".away")
    try:
        t = Terminal([*SSH, "alice"])
        say(t.end() == 69 and any("the line editor cannot be started" in line for line in t.all()), "no editor: said, exit 69", t)
        t.close()
        t = Terminal([*SSH, "alice", "console", "one"])
        say(t.end() == 69 and any("the line editor cannot be started" in line for line in t.all()), "no editor for a console: said, exit 69", t)
        t.close()
    finally:
        os.rename(program + ".away", program)


def many():
    path = f"{PREFIX}/mux"
    master = subprocess.Popen(["ssh", "-F", ENV["SSH_CONFIG"], "-MNS", path, "alice"], stdin=subprocess.DEVNULL)
    while not os.path.exists(path) and master.poll() is None:
        threading.Event().wait(0.05)
    through = ["ssh", "-F", ENV["SSH_CONFIG"], "-S", path, "-tt", "alice"]
    all_of = [Terminal(through) for _ in range(10)]
    say(all(at(t, "alice>") for t in all_of), "ten prompts on one connection")
    say(len(prompts()) == 10, "are ten processes", prompts())
    for i, t in enumerate(all_of):
        t.type(f"echo number {i}\r")
    say(all(t.wait(lambda t=t, i=i: f"number {i}" in t.all()) and at(t, "alice>") for i, t in enumerate(all_of)), "each has its own lines")
    uids = {int(re.search(r"Uid:\s+(\d+)", open(f"/proc/{p}/status").read()).group(1)) for p in prompts()}
    say(len(uids) == 1, "under one uid, that of their connection", uids)
    one = begin()
    more = {int(re.search(r"Uid:\s+(\d+)", open(f"/proc/{p}/status").read()).group(1)) for p in prompts()}
    say(len(more) == 2, "another connection's has another", more)
    leave(one)
    master.terminate()
    master.wait()
    for t in all_of:
        t.end(10)
        t.close()
    end = threading.Event()
    for _ in range(200):
        if not prompts():
            break
        end.wait(0.05)
    say(not prompts(), "their connection's end is theirs", prompts())


for part in sys.argv[2:]:
    globals()[part]()
