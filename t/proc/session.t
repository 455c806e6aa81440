#!/usr/bin/python3
"""holdfast-session by itself, with real clients; t/lib/session_rig.py plays supervisor, store and shim.  TAP.  Needs no root.

session.t [PROGRAM]
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import session_rig  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("HOLDFAST_SESSION", "./holdfast-session"))
folder = tempfile.mkdtemp(prefix="holdfast-session-")
count = failed = 0


def ok(good, words, more=""):
    global count, failed
    count += 1
    failed += not good
    print(("ok" if good else "not ok"), count, "-", words)
    if not good:
        print("#", str(more)[:2000].replace("\n", "\n# "))
    sys.stdout.flush()


def skip(words, why):
    global count
    count += 1
    print("ok", count, "-", words, "# SKIP", why)


def base(rig):
    return ["-F", "none", "-i", rig.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]


def ssh(rig, *command, stdin=b"", opts=(), user="alice", batch=True, seconds=40):
    batch = ["-o", "BatchMode=yes"] if batch else []
    line = ["ssh", "-p", str(rig.port), *opts, *base(rig), *batch, user + "@127.0.0.1", *command]
    p = subprocess.run(line, input=stdin, capture_output=True, timeout=seconds)
    return p.returncode, p.stdout, p.stderr


def test_keygen():
    for kind in ("ed25519", "rsa"):
        private, public, answer, code = session_rig.keygen(PROGRAM, folder, kind)
        path = os.path.join(folder, "made_" + kind)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(private)
        p = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True)
        bits = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True).stdout.split()
        same = p.stdout.split()[:2] == public.split()[:2]
        ok(code == 0 and answer == session_rig.KEYGEN_DONE and same, f"{kind} host key is made and ssh-keygen reads it", (p, public))
        ok(kind != "rsa" or bits[:1] == ["3072"], f"{kind} key has the right size", bits)
    ok(session_rig.keygen(PROGRAM, folder, "dsa")[3] == 71, "another type of key is refused with the code of a broken rule")


def test_exports():
    out = subprocess.run(["nm", "-D", "--defined-only", PROGRAM], capture_output=True, text=True).stdout
    names = {line.split()[-1] for line in out.splitlines()}
    ok({"recv", "send", "poll"} <= names, "recv, send and poll are exported, so that libssh finds them", out)


def test_verbs(rig):
    code, out, err = ssh(rig, "version")
    ok(code == 0 and out.startswith(b"holdfast ") and not err, "version", (code, out, err))
    code, out, err = ssh(rig, "status")
    ok(code == 0 and b"one " in out and b"two " in out and b"\r" not in out and b"\033" not in out, "status lists all, plain text", out)
    rig.stopped = {"two"}
    ok(ssh(rig, "status", "two")[0] == 3 and ssh(rig, "status", "one")[0] == 0 and ssh(rig, "status")[0] == 0,
       "status of one that does not run exits 3")
    code, out, err = ssh(rig, "top", "--json")
    rows = [json.loads(line) for line in out.decode().splitlines()]
    ok(code == 0 and len(rows) == 3 and 1 << 19 < rows[0]["net_sent_rate"] < 64 << 20 and rows[0]["net_received_rate"] == 0,
       "top without a terminal: rates of one second, from counters", out)
    code, out, err = ssh(rig, "top")
    ok(code == 0 and len(out.splitlines()) == 4 and b"\033" not in out and out.isascii(), "top in words: a line each, no pictures", out)
    rig.reason = b'bad "\xff\xc3\x28\n\x01\\ \xe2\x82\xac'
    code, out, err = ssh(rig, "status", "--json")
    rows = [json.loads(line) for line in out.decode().splitlines()]
    keys = {"server", "state", "since", "pid", "ready", "exit_code", "signal", "reason", "restarts", "cpu_ms", "memory", "memory_peak",
            "pids", "disk_used", "disk_limit", "address", "address6", "ports"}
    ok(len(rows) == 3 and keys <= set(rows[0]) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["since"]),
       "status --json: one object a line with the promised keys", out)
    ok(rows[0]["reason"] == 'bad "\ufffd\ufffd(\n\x01\\ \u20ac', "whatever bytes come, JSON is valid", rows[0]["reason"])
    rig.reason = ""
    rig.stopped = set()
    code, out, err = ssh(rig, "quota", "--json")
    ok(json.loads(out.decode().splitlines()[0]) == {"server": "one", "used": 1 << 20, "limit": 64 << 20, "inodes_used": 12,
                                                    "inodes_limit": 20000, "backend": "image"}, "quota --json", out)
    code, out, err = ssh(rig, "whoami", "--json")
    ok(json.loads(out)["account"] == "alice" and len(json.loads(out)["servers"]) == 3, "whoami --json", out)
    code, out, err = ssh(rig, "help", "backup")
    ok(code == 0 and out.count(b"usage: backup") == 3, "help of a group", out)
    code, out, err = ssh(rig)
    ok(code == 0 and b"you are alice" in out and b"one " in out, "no command: greeting and status, exit 0", (code, out, err))
    code, out, err = ssh(rig, "backup", "list", "one", "--json")
    ok(json.loads(out)["id"] == "20260101-1" and json.loads(out)["label"] == "l\ufffdbel", "backup list --json", out)
    code, out, err = ssh(rig, "backup", "create", "one", "'a label'")
    ok(code == 0 and out == b"20260101-1\n" and rig.seen("op", session_rig.BACKUP_CREATE, "one", 0, b"a label"), "backup create", (out, err))
    for verb, op in (("start", session_rig.START), ("stop", session_rig.STOP), ("restart", session_rig.RESTART), ("kill", session_rig.KILL)):
        rig.clear()
        code, out, err = ssh(rig, verb, "one", "--wait", "--timeout", "7")
        ok(code == 0 and rig.seen("op", op, "one", 7000) and out.startswith(b"one: "), verb + " --wait --timeout 7", (code, out, err))
    for words, want in (("echo  a 'b  c'", b"a b  c\n"), ("true", b""), ("pwd", b"/\n")):
        code, out, err = ssh(rig, words)
        ok(code == 0 and out == want, "stock: " + words, out)


def test_usage(rig):
    for mark in "|><;&`":
        code, out, err = ssh(rig, "status " + mark + " x")
        ok(code == 2 and mark.encode() in err and not out, f"unquoted {mark} is refused by name", (code, err))
    code, out, err = ssh(rig, "echo $(id)")
    ok(code == 2 and b"$" in err, "unquoted $( is refused", (code, err))
    code, out, err = ssh(rig, "echo 'a|b>c;$(d)`e'")
    ok(code == 0 and out == b"a|b>c;$(d)`e\n", "quoted they are text", out)
    ok(ssh(rig, "echo 'open")[0] == 2, "an open quote is a usage error")
    cases = (("bogus", 127), ("cksum", 127), ("start", 2), ("start nosuch", 77), ("status nosuch", 77), ("start one two", 2),
             ("start watch", 77), ("status --bogus", 2), ("start one --timeout x", 2), ("start one --timeout 0", 2),
             ("logs one -n -1", 2), ("backup", 2), ("backup get one", 2), ("send one", 2), ("send one --expect '(' x", 2),
             ("send one --expect '(a)\\1' x", 2), ("backup create one a/b", 2), ("help bogus", 127), ("''", 127))
    for words, want in cases:
        code, out, err = ssh(rig, words)
        ok(code == want and not out and err, f"'{words}' exits {want}", (code, out, err))
    invisible, unknown = ssh(rig, "start", "hidden")[2], ssh(rig, "start", "nosuch")[2]
    ok(invisible.replace(b"hidden", b"nosuch") == unknown, "an unknown server is told like an invisible one", (invisible, unknown))
    code, out, err = ssh(rig, "start")
    ok(b"one two watch" in err, "which server: names them", err)
    code, out, err = ssh(rig, "status nosuch --json")
    ok(json.loads(err)["code"] == 77 and "nosuch" in json.loads(err)["error"], "--json: errors are JSON", err)
    code, out, err = ssh(rig, b"status '\xff\xfe'")
    ok(code == 77 and b"\xff" not in err, "bytes that are no UTF-8 come back escaped", (code, err))
    ok(ssh(rig, "start", user="alice+one")[0] == 0, "ACCOUNT+SERVER: the server need not be named")
    ok(ssh(rig, "start", user="alice+nosuch")[0] == 77, "ACCOUNT+SERVER of an unknown one")


def test_console(rig):
    code, out, err = ssh(rig, "console one", stdin=b"hello\nworld\n")
    ok(code == 0 and out == b"got: hello\ngot: world\n" and not err, "console as a filter", (code, out, err))
    code, out, err = ssh(rig, "console one", stdin=b"")
    ok(code == 0 and not out, "console with an empty input ends", (code, out, err))
    code, out, err = ssh(rig, "console one", stdin=b"quit\n")
    ok(code == 0 and b"exit code 3" in err, "console says that the server has ended", (code, err))
    code, out, err = ssh(rig, "console one", stdin=b"flood\nlast\n")
    ok(code == 0 and len(out) == 2000 * 1008 + 10, "a flood of output arrives whole", len(out))
    code, out, err = ssh(rig, "console watch", stdin=b"x\n")
    ok(code == 77 and not rig.seen("input", b"x\n"), "without the right to send nothing is typed", (code, err))
    rig.stopped = {"one"}
    ok(ssh(rig, "console one")[0] == 3, "console of one that does not run exits 3")
    rig.stopped = set()
    rig.clear()
    code, out, err = ssh(rig, "send one say 'hello  there' -x")
    ok(code == 0 and rig.seen("input", b"say hello  there -x\n"), "send joins its words", (code, err, rig.events))
    code, out, err = ssh(rig, "send one --expect 'got: [0-9]+' --timeout 5 42")
    ok(code == 0 and out == b"got: 42\n", "send --expect prints the line", (code, out, err))
    began = time.time()
    code, out, err = ssh(rig, "send one --expect never --timeout 1 x")
    ok(code == 1 and not out and time.time() - began < 4, "send --expect exits 1 when nothing matches in time", (code, out, err))
    ok(ssh(rig, "send watch x")[0] == 77, "send without the right")



def typed_in(rig):
    """Lines recorded, lines counted, and flags of the records."""
    records = [e[1:] for e in rig.seen("activity", session_rig.ACTIVITY_INPUT)]
    more = [r for r in records if r[5] & 32]
    return [r[2] for r in records if r not in more], sum(r[4] for r in more), {r[5] for r in records}


def typed_wait(rig, n, seconds=15):
    until = time.monotonic() + seconds
    while len(typed_in(rig)[0]) < n and time.monotonic() < until:
        time.sleep(0.05)
    return typed_in(rig)


def test_typed(rig):
    rig.taken = 0
    rig.clear()
    ssh(rig, "console one", stdin=b"hello\n\nlast without end")
    ok(typed_wait(rig, 3) == ([b"hello", b"", b"last without end"], 0, {0, 4}), "what is typed is recorded, a line each", rig.events)
    rig.clear()
    ssh(rig, "send one say 'to all'")
    ok(typed_wait(rig, 1) == ([b"say to all"], 0, {0}), "and what is sent", rig.events)
    ok(rig.seen("log", "command") and not [e for e in rig.seen("log") if "to all" in e[2]], "which the log does not repeat", rig.seen("log"))
    rig.clear()
    ssh(rig, "console one", stdin=b"x" * 3000 + b"\nnext\n")
    ok(typed_wait(rig, 2) == ([b"x" * 1000, b"next"], 0, {0, 4}), "a long line is cut, and says so", typed_in(rig))
    rig.clear()
    terminal(rig, "console one --raw", [(b"ctrl-]", b"typed\r"), (b"", b"more\r\n"), (b"", b"\x1d")])
    ok(typed_wait(rig, 2)[0] == [b"typed", b"more"], "keys of a raw console become lines", rig.events)
    rig.clear()
    n = 200000
    began = time.monotonic()
    code, out, err = ssh(rig, "console one", stdin=b"silence\n" * 3 + b"".join(b"flood line %d\n" % i for i in range(n)), seconds=120)
    lines, more, flags = typed_wait(rig, 100)
    ok(code == 0 and 100 <= len(lines) < 102 + time.monotonic() - began and lines[3] == b"flood line 0" and len(lines) + more == n + 3,
       "of a flood the first are recorded, the rest is counted", (code, len(lines), more, flags))
    ok(len(rig.seen("activity", session_rig.ACTIVITY_INPUT)) < 230, "in few records", len(rig.seen("activity")))
    rig.taken = 1
    rig.clear()
    ssh(rig, "console one", stdin=b"user\nhunter2\n")
    ssh(rig, "send one hunter2")
    ok(typed_wait(rig, 3) == ([b"(hidden)"] * 3, 0, {16}), "what was not echoed is hidden", rig.events)
    rig.taken = 2
    rig.clear()
    ssh(rig, "send one refused")
    rig.taken = 0
    ssh(rig, "send one taken")
    ok(typed_wait(rig, 1) == ([b"taken"], 0, {0}), "what the server did not get is not recorded", rig.events)
    rig.taken = None
    rig.clear()
    ssh(rig, "console one", stdin=b"hunter2\n")
    ok(typed_wait(rig, 1) == ([b"(hidden)"], 0, {16}), "a shim that gives no word: hidden", rig.events)
    rig.clear()
    ssh(rig, "console watch", stdin=b"x\n")
    ok(not rig.seen("activity", session_rig.ACTIVITY_INPUT), "who may not type leaves no line", rig.events)
    secret = [e for e in rig.events if e[0] == "activity" and b"hunter2" in b"".join(f for f in e if isinstance(f, bytes))]
    ok(not secret, "no secret in any record", secret)


def terminal(rig, command, keys, seconds=10):
    """What a person sees: ssh -tt under a real terminal; KEYS are (text to wait for, what to type then)."""
    import pty
    import select
    import termios
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    line = ["ssh", "-tt", "-p", str(rig.port), *base(rig), "alice@127.0.0.1", command]
    p = subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen, until, keys = b"", time.time() + seconds, list(keys)
    while time.time() < until:
        if select.select([master], [], [], 0.1)[0]:
            try:
                got = os.read(master, 65536)
            except OSError:
                break
            if not got:
                break
            seen += got
        if keys and keys[0][0] in seen:
            os.write(master, keys.pop(0)[1])
    if p.poll() is None and time.time() >= until:
        p.kill()
    code = p.wait()
    os.close(master)
    return code, seen


def test_terminal(rig):
    rig.clear()
    code, seen = terminal(rig, "console one", [(b"ctrl-]", b"helx\x7flo\r"), (b"got: hello", b"\x03"), (b"nothing was sent", b"\x1d")])
    ok(code == 0 and rig.seen("input", b"hello\n") and b"history line\r\n" in seen and b"detached" in seen,
       "terminal: history, a typed line, ctrl-C is not passed on, ctrl-] leaves", (code, seen))
    ok(rig.seen("resize"), "terminal: the server is told the size")
    ok(not rig.seen("input", b"\x03") and len(rig.seen("input")) == 1, "terminal: nothing else was typed", rig.seen("input"))
    code, seen = terminal(rig, "console watch", [(b"to watch only", b"x\r\x1d")])
    ok(code == 0 and b"to watch only" in seen, "terminal: watch only", (code, seen))
    code, seen = terminal(rig, "status", [])
    ok(code == 0 and b"\r\n" in seen and b"\033[1m" in seen, "terminal: status has colour and line ends", (code, seen))
    code, seen = terminal(rig, "top", [(b"q ends", b""), ("\u2581".encode(), b"q")])
    ok(code == 0 and seen.count(b"\033[H") >= 2 and b"cpu%" in seen and seen.rstrip().endswith(b"\033[?25h\033[?1049l"),
       "terminal: top draws again and again until q, and leaves the screen as it was", (code, seen[-400:]))
    ok(all(len(line.decode()) <= 80 for line in re.sub(rb"\033\[[?0-9;]*[a-zA-Z]", b"", seen).replace(b"\r", b"").split(b"\n")),
       "terminal: no line of it is wider than the terminal", seen[-400:])
    code, seen = terminal(rig, "top one", [("\u2588".encode(), b"\x03")])
    ok(code == 0 and b"network out, /s" in seen, "terminal: top of one server, ended by ctrl-C", (code, seen[-400:]))
    asked = len(rig.seen("op", session_rig.STATUS))
    time.sleep(2.5)
    ok(len(rig.seen("op", session_rig.STATUS)) == asked, "nobody is asked when nobody looks")
    code, seen = terminal(rig, "backup get one 1", [])
    ok(code == 2 and b"FILE.tar.zst" in seen, "terminal: an archive is not printed", (code, seen))
    code, seen = terminal(rig, "logs one -f", [(b"\tline 4", b"\x03")])
    ok(code == 0, "terminal: ctrl-C ends logs -f", (code, seen[-200:]))


def test_logs(rig):
    old, new = os.path.join(folder, "console.log.1"), os.path.join(folder, "console.log")
    with open(old, "w") as f:
        f.writelines(f"line {i}\n" for i in range(3000))
    with open(new, "w") as f:
        f.writelines(f"line {i}\n" for i in range(3000, 5000))
    rig.logs = [new, old]
    want = b"".join(b"line %d\n" % i for i in range(5000))
    lines = want.splitlines(keepends=True)
    for n in (0, 1, 100, 1999, 2000, 2001, 4999, 5000, 9999):
        code, out, err = ssh(rig, f"logs one -n {n}")
        ok(code == 0 and out == (b"".join(lines[-n:]) if n else b""), f"logs -n {n}", (code, len(out), err))
    code, out, err = ssh(rig, "logs one")
    ok(out == b"".join(lines[-100:]), "logs: 100 lines", len(out))
    with open(new, "a") as f:
        f.write("no end")
    ok(ssh(rig, "logs one -n 2")[1] == b"line 4999\nno end", "logs: a last line without its end counts")
    p = subprocess.Popen(["ssh", "-p", str(rig.port), *base(rig), "alice@127.0.0.1", "logs one -n 1 -f"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
    time.sleep(1)
    p.kill()
    ok(p.communicate()[0] == b"no end", "logs -f stays")
    rig.stopped = {"one"}
    code, out, err = ssh(rig, "logs one -n 1 -f")
    ok(code == 3 and out == b"no end", "logs -f of one that does not run: the log, then exit 3", (code, out, err))
    rig.stopped = set()
    with open(new, "w") as f:
        f.writelines(f"line {i}\n" for i in range(3000, 5000))


def test_logs_since(rig):
    now = int(time.time())
    stamp = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    ages = [86400 * 3] * 20 + [7200 + 60 * i for i in range(20, 0, -1)] + [0] * 5
    lines = [f"{stamp(now - age)}{'!' if i % 2 else ''}\tline {i}\n".encode() for i, age in enumerate(ages)]
    old, new = os.path.join(folder, "since.log.1"), os.path.join(folder, "since.log")
    for path, part in ((old, lines[:30]), (new, lines[30:])):
        with open(path, "wb") as f:
            f.writelines(part)
    rig.logs = [new, old]
    for words, want in (("--since 10m", lines[40:]), ("--since 2h", lines[40:]), ("--since 1d", lines[20:]), ("--since=9d", lines), ("--since 0s -n 3", lines[42:]),
                        ("--since 10m -n 100", lines[40:]), ("--since 9d -n 7", lines[-7:]), (f"--since {stamp(now - 7200 - 60 * 15)}", lines[25:]),
                        (f"--since {stamp(now - 7200 - 60 * 5)}", lines[35:]), (f"--since {stamp(now + 60)}", [])):
        code, out, err = ssh(rig, "logs one " + words)
        ok(code == 0 and (out == b"".join(want) or "0s" in words and out in (b"".join(want), b"")), "logs " + words, (code, out, err))
    os.utime(old, (now - 7200, now - 7200))
    ok(ssh(rig, "logs one --since 10m")[1] == b"".join(lines[40:]), "a file that was last written before is passed over")
    code, out, err = ssh(rig, "logs one --since 10m --json")
    rows = [json.loads(line) for line in out.splitlines()]
    ok(code == 0 and [(r["stream"], r["text"]) for r in rows] == [("stderr" if i % 2 else "stdout", f"line {i}") for i in range(40, 45)] and
       {r["time"] for r in rows} == {stamp(now)}, "logs --since --json, streams kept apart", out)
    code, out, err = ssh(rig, "logs one --since soon")
    ok(code == 2 and not out and b"'soon'" in err and b"10m" in err and b"today" in err and b"2026-01-31T12:00:00Z" in err, "another word: what is allowed", err)
    ok(ssh(rig, "status one --since 10m")[0] == 2, "other verbs do not know it")


def wrote(rig, path, lines):
    """As the shim does: the log first, its viewers then."""
    with open(path, "ab") as f:
        f.write(b"".join(lines))
    session_rig.send(rig.shims[-1].sock, session_rig.SHIM_OUTPUT, 0, b"".join(line.split(b"\t", 1)[1] for line in lines))


def test_logs_follow(rig):
    log, older = os.path.join(folder, "follow.log"), os.path.join(folder, "follow.log.1")
    line = lambda i: b"2026-01-02T03:04:05Z\tline %d\n" % i
    with open(log, "wb") as f:
        f.writelines(line(i) for i in range(230000))
    before, rig.logs = rig.logs, [log]
    rig.servers["logs"] = 1 | 1 << 6
    rig.clear()
    count = len(rig.shims)
    p = subprocess.Popen(["ssh", "-p", str(rig.port), *base(rig), "alice@127.0.0.1", "logs logs -n 1 -f"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = p.stdout.readline()
    ok(len(rig.shims) == count + 1 and first == line(229999), "logs -f needs the right to the logs only", (first, rig.seen("op")))
    wrote(rig, log, [line(230000), b"2026-01-02T03:04:05Z!\toops\n"])
    ok([p.stdout.readline() for _ in range(2)] == [line(230000), b"2026-01-02T03:04:05Z!\toops\n"], "logs -f: what follows looks like the rest")
    session_rig.send(rig.shims[-1].sock, session_rig.SHIM_OUTPUT, 0, "an unfinished li")
    time.sleep(0.2)
    os.rename(log, older)
    rig.logs = [log, older]
    for i in range(230001, 230004):
        wrote(rig, log, [line(i)])
    session_rig.send(rig.shims[-1].sock, session_rig.SHIM_BYE, 0, 0, 0)
    out, err = p.communicate(timeout=20)
    ok(p.returncode == 0 and out == b"".join(line(i) for i in range(230001, 230004)), "logs -f: goes on in the next file, to the end, nothing twice",
       (p.returncode, out, err))
    with open(log, "wb") as f:
        f.write(line(1) + b"2026-01-02T03:04:05Z!\tb\xff\x1b[0m \"q\"\n2026-01-02T03:04:06Z#\tstarted\nno time\n2026-01-02T03:04:07Z\tlast")
    rig.logs = [log]
    code, out, err = ssh(rig, "logs one --json")
    rows = [json.loads(row) for row in out.splitlines()]
    ok(code == 0 and [(r["time"], r["stream"], r["text"]) for r in rows] == [
        ("2026-01-02T03:04:05Z", "stdout", "line 1"), ("2026-01-02T03:04:05Z", "stderr", "b\ufffd\x1b[0m \"q\""),
        ("2026-01-02T03:04:06Z", "holdfast", "started"), (None, "stdout", "no time"), ("2026-01-02T03:04:07Z", "stdout", "last")],
       "logs --json: an object a line", (code, out, err))
    with open(log, "wb") as f:
        f.write(b"2026-01-02T03:04:05Z\t\x1b]0;owned\x07\x1b[31mred\x1b[0m\x1b[6n gr\xc3\xbcn\n")
    code, out, err = ssh(rig, "logs one")
    ok(b"\x1b]0;owned" in out, "logs: no terminal gets what there is", out)
    code, seen = terminal(rig, "logs one", [])
    ok(b"\t\x1b[31mred\x1b[0m gr\xc3\xbcn\r\n" in seen and b"owned" not in seen, "logs: a terminal gets text and colours", seen)
    code, seen = terminal(rig, "logs one --raw", [])
    ok(b"\x1b]0;owned" in seen, "logs --raw: all of it", seen)
    code, seen = terminal(rig, "console one", [(b"ctrl-]", b"show\r"), (b"shown", b"\x1d")])
    ok(b"]0;title" not in seen and b"\x1b[32mshown\x1b[0m" in seen, "console: a terminal gets text and colours", seen)
    rig.logs = before
    del rig.servers["logs"]


def test_backup_list(rig):
    for rig.backups in (0, 1, 200, 450):
        code, out, err = ssh(rig, "backup list one --json")
        ids = [json.loads(row)["id"] for row in out.splitlines()]
        ok(code == 0 and ids == [f"20260101-{i + 1}" for i in range(rig.backups)], f"backup list: all of {rig.backups}", (code, len(ids), err))
    rig.backups = 1


def test_backup_get(rig):
    rig.archive = os.path.join(folder, "archive")
    data = os.urandom(1 << 20) * 24
    with open(rig.archive, "wb") as f:
        f.write(data)
    for opts in ((), ("-o", "RekeyLimit=1M")):
        code, out, err = ssh(rig, "backup get one 1", opts=opts, seconds=90)
        ok(code == 0 and out == data, "backup get: 24 MiB, whole " + " ".join(opts), (code, len(out), err))
    p = subprocess.Popen(["ssh", "-p", str(rig.port), *base(rig), "alice@127.0.0.1", "backup get one 1"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
    time.sleep(1)
    resident = rss(rig)
    out = p.stdout.read()
    p.wait()
    ok(out == data and resident < 24 << 10, "a client that does not read costs no memory", resident)


def test_shell(rig):
    for end, want, words in (
            ((0, 0, ""), 0, b""), ((7, 0, ""), 7, b""), ((255, 0, ""), 255, b""), ((0, 9, ""), 137, b""), ((127, 0, ""), 127, b""),
            ((0, 9, "the server has ended"), 1, b"the shell was ended: the server has ended"),
            ((126, 0, "it could not be started: see the log"), 126, b"the shell was ended: it could not be started"),
            (None, 69, b"the daemon has gone")):
        rig.errand_end = end
        code, out, err = ssh(rig, "shell one -- a 'b  c' '' -d")
        ok((code, out) == (want, b"out") and b"err\n" in err and words in err, f"a shell's end {end}: {want}", (code, out, err))
    e = rig.errands[-1]
    ok(e.words == b"\x1fa\x1fb  c\x1f\x1f-d\x1f" and e.writes == 0, "its words go as they are, without a terminal no size", (e.words, e.writes))
    rig.errand_end = (0, 0, "")
    data = os.urandom(1 << 20) * 16
    ssh(rig, "shell one", stdin=data)
    ok(rig.errands[-1].got == data and rig.errands[-1].words == b"\x1f", "no words: a shell; all the input is its", len(rig.errands[-1].got))
    n = len(rig.errands)
    for line, want, words in (
            ("shell two", 77, b"it needs the right: shell"), ("shell nosuch -- x", 77, b"no server 'nosuch'"), ("shell one -- ''", 2, b"has no name"),
            ("shell one -- $(id)", 2, b"$"), ("shell one -- 'a\x1fb'", 2, b"a byte 31 cannot be passed on"), ("shell one --json", 2, b"--json"),
            ("shell one -- " + "x" * 32760, 2, b"the command is too long")):
        code, out, err = ssh(rig, line)
        ok(code == want and words in err and not out, f"'{line[:40]}' exits {want}", (code, out, err))
    ok(len(rig.errands) == n, "nothing of that reached the store", len(rig.errands))


def test_rsync(rig):
    command = "rsync --server --sender -logDtpre.iLsfxCIvu . /one/dir"
    for end, want, words in (
            ((0, 0, ""), 0, b""), ((23, 0, ""), 23, b""), ((35, 0, ""), 35, b""), ((99, 0, ""), 1, b"rsync ended with exit code 99"),
            ((127, 0, ""), 126, b"rsync is not installed on this machine"), ((126, 0, ""), 126, b"rsync cannot be run on this machine"),
            ((0, 9, ""), 1, b"rsync was ended by signal 9 (Killed)"), ((0, 9, "it ran for 6 hours"), 1, b"rsync was ended: it ran for 6 hours"),
            ((126, 0, "it could not be started"), 126, b"rsync was ended: it could not be started"), (None, 69, b"the daemon has gone")):
        rig.errand_end = end
        code, out, err = ssh(rig, command)
        ok((code, out) == (want, b"out") and b"err\n" in err and words in err, f"rsync's end {end}: {want}", (code, out, err))
    e = rig.errands[-1]
    ok(e.got == b"rsync\0--sender\0-logDtpre.iLsfxCIvu\0.\0one/dir\0\0" and e.writes == 0, "its arguments come first on its input", e.got)
    rig.errand_end = (0, 0, "")
    data = os.urandom(1 << 20) * 16
    ssh(rig, "rsync --server -r . /one/dir", stdin=data)
    e = rig.errands[-1]
    ok(e.got == b"rsync\0-r\0./\0one/dir\0\0" + data and e.writes == 1, "16 MiB of input come behind them", len(e.got))
    rig.errand_pause = 0.002
    code, out, err = ssh(rig, "rsync --server -r . /one/dir", stdin=data)
    ok(code == 0 and rig.errands[-1].got.endswith(data), "and all of it to one that reads slowly", (code, len(rig.errands[-1].got), err))
    rig.errand_pause = 0
    secluded = b"rsync\0--delete\0.\0/one/a b\n*\0\0"
    for cut in (1, len(secluded) - 1, len(secluded)):
        p = subprocess.Popen(["ssh", "-p", str(rig.port), *base(rig), "alice@127.0.0.1", "rsync --server -sr"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(secluded[:cut])
        p.stdin.flush()
        time.sleep(0.5)
        p.communicate(secluded[cut:] + b"more", timeout=20)
        ok(rig.errands[-1].got == b"rsync\0-r\0--delete\0./\0one/a b\n*\0\0more" and p.returncode == 0, f"secluded arguments, cut at {cut}",
           rig.errands[-1].got)
    n = len(rig.errands)
    for line, stdin, want, words in (
            ("rsync --server -r . /watch/x", b"", 77, b"it needs the right: files.read files.write files.delete"),
            ("rsync --server --sender -r . /nosuch", b"", 77, b"no server 'nosuch'"), ("rsync", b"", 2, b"on your own machine"),
            ("rsync --server -r --daemon . /one", b"", 2, b"option '--daemon' is not allowed here; allowed: "),
            ("rsync --server -sr", b"rsync\0--daemon\0\0", 2, b"option '--daemon' is not allowed here"),
            ("rsync --server -sr", b"rsync\0-r", 2, b"the arguments end too early"), ("rsync --server -sr", b"x" * 600000, 2, b"too many arguments")):
        code, out, err = ssh(rig, line, stdin=stdin)
        ok(code == want and words in err, f"{line}: {want} {words.decode()}", (code, err))
    ok(len(rig.errands) == n, "none of these was asked for", len(rig.errands))


def rss(rig):
    live = [link.process for link in rig.links if link.process.poll() is None]
    with open(f"/proc/{live[-1].pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def master(rig, path):
    p = subprocess.Popen(["ssh", "-M", "-N", "-S", path, "-p", str(rig.port), *base(rig), "alice@127.0.0.1"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        if os.path.exists(path):
            break
        time.sleep(0.05)
    return p


def test_channels(rig):
    path = os.path.join(folder, "mux")
    rig.clear()
    first = master(rig, path)
    rig.wait("login")
    link = rig.links[-1]
    through = ["ssh", "-S", path, "-o", "ProxyCommand=false", "-p", str(rig.port), "-F", "none", "-o", "LogLevel=ERROR", "alice@127.0.0.1"]
    consoles = [subprocess.Popen([*through, "console one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for p in consoles:
        p.stdin.write(b"here\n")
        p.stdin.flush()
        p.stdout.readline()
    p = subprocess.run([*through, "version"], capture_output=True, timeout=20)
    ok(p.returncode == 255 and rig.wait("log", "request.refused"), "a channel past the limit is refused and logged", (p, rig.events[-5:]))
    consoles[0].stdin.close()
    consoles[0].wait()
    p = subprocess.run([*through, "version"], capture_output=True, timeout=20)
    ok(p.returncode == 0, "and taken when another has ended", p)
    consoles[1].stdin.write(b"flood\n" * 4)
    consoles[1].stdin.flush()
    time.sleep(0.3)
    began = time.time()
    p = subprocess.run([*through, "version"], capture_output=True, timeout=20)
    ok(p.returncode == 0 and time.time() - began < 2, "a channel nobody reads does not hold up another", p)
    session_rig.send(link.sock, session_rig.RIGHTS, 0, "one", 1)
    consoles[2].wait(5)
    ok(consoles[2].returncode == 77, "a lost right ends what relied on it", consoles[2].returncode)
    session_rig.send(link.sock, session_rig.CLOSE, 0, "suspended")
    first.wait(5)
    for p in consoles:
        p.stdin.close() if not p.stdin.closed else None
        p.kill()
        p.wait()
    ok(link.process.wait(5) == 0, "a closed session ends with 0")


def test_late_files(rig):
    """A server's disk that takes long to come is waited for by its own channel."""
    path = os.path.join(folder, "late")
    rig.clear()
    rig.files_late = True
    first = master(rig, path)
    rig.wait("login")
    through = ["-o", f"ControlPath={path}", "-o", "ProxyCommand=false", "-o", f"Port={rig.port}", "-F", "none", "-o", "LogLevel=ERROR"]
    sftp = subprocess.Popen(["sftp", *through, "-b", "-", "alice@127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sftp.stdin.write(b"ls -1 /\n-ls /one\nls -1 /\n")
    sftp.stdin.close()
    ok(rig.wait("files asked"), "files are asked for")
    # The store of this rig answers one question at a time: of what needs none.
    began = time.time()
    p = subprocess.run(["ssh", *through, "alice@127.0.0.1", "echo here"], capture_output=True, timeout=20)
    ok(p.stdout == b"here\n" and time.time() - began < 5, "another channel goes on while they do not come", p)
    ok(sftp.poll() is None, "the first one waits")
    rig.files_go.set()
    out, err = sftp.stdout.read().decode(), sftp.stderr.read().decode()
    ok(sftp.wait(10) == 0 and out.count("/two") == 2, "and goes on with what comes behind", (out, err))
    rig.files_late = False
    first.terminate()
    first.wait()


def test_forwarding(rig):
    for words, opts in (("-L", ["-L", "0:127.0.0.1:9"]), ("-R", ["-R", "0:127.0.0.1:9"]), ("-W", ["-W", "127.0.0.1:9"])):
        rig.clear()
        p = subprocess.run(["ssh", "-p", str(rig.port), *base(rig), "-o", "ExitOnForwardFailure=yes", *opts, "alice@127.0.0.1",
                            *([] if words == "-W" else ["version"])], capture_output=True, timeout=20)
        if words == "-L":
            continue
        ok(p.returncode == 255 and rig.wait("log", "request.refused"), f"ssh {words} is refused and logged", (p, rig.events))
    code, out, err = ssh(rig, "version", opts=("-A", "-X"))
    ok(code == 0, "agent and x11 forwarding are refused without harm", (code, err))
    code, out, err = ssh(rig, "-s", "netconf")
    ok(code != 0, "another subsystem is refused")


def test_login(rig):
    rig.clear()
    ok(ssh(rig, "version", user="mallory")[0] == 255 and rig.seen("offer", b"mallory"), "an unknown account is asked about and refused")
    code, out, err = ssh(rig, "version", user="x" * 3000)
    ok(code == 255 and all(len(e[1]) <= 64 for e in rig.seen("offer")), "a name of 3000 bytes is cut", rig.seen("offer")[-1:])
    keys = []
    for i in range(5):
        path = os.path.join(folder, f"wrong{i}")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        keys += ["-i", path]
    rig.clear()
    line = ["ssh", "-p", str(rig.port), "-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", *keys, "-i", rig.key, "alice@127.0.0.1", "version"]
    p = subprocess.run(line, capture_output=True, timeout=20)
    ok(p.returncode == 255 and b"too many" in p.stderr.lower() and len(rig.seen("offer")) <= 4, "too many keys end the connection", p)
    rig.clear()
    refused = os.path.join(folder, "rsa2048")
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", refused], check=True)
    p = subprocess.run([*line[:line.index("-i")], "-i", refused, "alice@127.0.0.1", "version"], capture_output=True, timeout=20)
    ok(p.returncode == 255 and rig.wait("log", "key.refused") and not rig.seen("offer"), "an RSA key of 2048 bits is refused", rig.events)
    if shutil.which("sshpass"):
        p = subprocess.run(["sshpass", "-p", "correct horse", "ssh", "-p", str(rig.port), *base(rig)[4:], "-F", "none", "-o",
                            "PubkeyAuthentication=no", "alice@127.0.0.1", "whoami"], capture_output=True, timeout=20)
        ok(p.returncode == 0 and b"by password" in p.stdout, "a password login", p)
    else:
        skip("a password login", "no sshpass")
    rig.refuse_login = "this account has too many connections"
    code, out, err = ssh(rig, "version", opts=("-o", "LogLevel=INFO"))
    ok(code == 255 and b"too many connections" in err, "a login that is refused says why", (code, err))
    rig.refuse_login = ""
    ok(rig.wait("exit", 0), "sessions end with 0")


def test_password_tries(rig):
    try:
        import paramiko
    except ImportError:
        skip("too many passwords end the connection", "no paramiko")
        return
    rig.clear()
    transport = paramiko.Transport(("127.0.0.1", rig.port))
    transport.start_client()
    tries = 0
    try:
        for i in range(10):
            try:
                transport.auth_password("alice", f"wrong {i}")
            except paramiko.BadAuthenticationType:
                raise
            except paramiko.AuthenticationException:
                tries += 1
    except (paramiko.SSHException, EOFError, OSError):
        pass
    transport.close()
    ok(len(rig.seen("login")) == 2, "two wrong passwords end the connection", (tries, rig.seen("login")))


def test_raw(rig):
    for name, data in (("nothing", b""), ("rubbish", b"\x00\xff" * 300), ("http", b"GET / HTTP/1.0\r\n\r\n"), ("a line too long", b"S" * 5000),
                       ("rubbish behind the banner", b"SSH-2.0-x\r\n" + os.urandom(3000))):
        rig.clear()
        s = socket.create_connection(("127.0.0.1", rig.port))
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        s.settimeout(5)
        try:
            while s.recv(65536):
                pass
        except OSError:
            pass
        s.close()
        ended = rig.wait("exit")
        ok(ended and ended[0][1] == 0, f"{name} from a stranger ends the session with 0", ended)
    s = socket.create_connection(("127.0.0.1", rig.port))
    banner = s.recv(256)
    s.close()
    ok(banner.startswith(b"SSH-2.0-holdfast") and b"libssh" not in banner, "the banner tells nothing", banner)


def test_audit(rig):
    if not shutil.which("ssh-audit"):
        skip("ssh-audit finds no fault", "not installed")
        return
    p = subprocess.run(["ssh-audit", "-n", "-l", "fail", "-p", str(rig.port), "127.0.0.1"], capture_output=True, text=True, timeout=120)
    faults = [line for line in p.stdout.splitlines() if "[fail]" in line]
    ok(not faults and "kex-strict-s" in subprocess.run(["ssh-audit", "-n", "-p", str(rig.port), "127.0.0.1"], capture_output=True,
                                                       text=True, timeout=120).stdout, "ssh-audit finds no fault", p.stdout)
    p = subprocess.run(["ssh-keyscan", "-p", str(rig.port), "127.0.0.1"], capture_output=True, text=True, timeout=30)
    ok("ssh-ed25519" in p.stdout and "ssh-rsa" in p.stdout, "ssh-keyscan sees both host keys", p.stdout)
    p = subprocess.run(["ssh", "-p", str(rig.port), *base(rig), "-o", "HostKeyAlgorithms=ssh-rsa", "alice@127.0.0.1", "version"],
                       capture_output=True, timeout=20)
    ok(p.returncode == 255, "no signature with SHA-1", p)


def test_ciphers(rig):
    for cipher in ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes128-ctr"):
        code, out, err = ssh(rig, "backup get one 1", opts=("-c", cipher), seconds=90)
        ok(code == 0 and len(out) == 24 << 20, cipher, (code, len(out), err))
    for kex in ("curve25519-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512"):
        ok(ssh(rig, "version", opts=("-o", "KexAlgorithms=" + kex))[0] == 0, kex)


def test_mute(rig):
    rig.mute = True
    began = time.time()
    code, out, err = ssh(rig, "status", seconds=60)
    ok(code == 75 and time.time() - began < 40, "a store that never answers: 75 within a deadline", (code, err, time.time() - began))
    rig.mute = False


def test_keepalive():
    rig = session_rig.Rig(PROGRAM, tempfile.mkdtemp(dir=folder), keepalive=1, misses=2)
    p = subprocess.Popen(["ssh", "-N", "-p", str(rig.port), *base(rig), "alice@127.0.0.1"], stdin=subprocess.DEVNULL)
    time.sleep(5)
    ok(p.poll() is None and not rig.seen("exit"), "an idle client that answers stays", rig.events)
    p.send_signal(19)
    ended = rig.wait("exit", seconds=8)
    ok(ended and rig.wait("log", "connection.dead"), "one that does not is ended", rig.events)
    p.send_signal(18)
    p.kill()
    p.wait()
    rig.stop()


def test_store_gone(rig):
    p = subprocess.Popen(["ssh", "-p", str(rig.port), *base(rig), "-o", "LogLevel=INFO", "alice@127.0.0.1", "console one"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(b"x\n")
    p.stdin.flush()
    p.stdout.readline()
    link = rig.links[-1]
    link.sock.shutdown(socket.SHUT_RDWR)
    err = p.communicate(timeout=10)[1]
    ok(link.process.wait(5) == 0 and b"restarting" in err, "without its store a session ends and says so", err)


def test_locks(rig):
    p = subprocess.Popen(["ssh", "-N", "-p", str(rig.port), *base(rig), "alice@127.0.0.1"], stdin=subprocess.DEVNULL)
    time.sleep(1)
    pid = rig.links[-1].process.pid
    with open(f"/proc/{pid}/status") as f:
        text = f.read()
    ok("Seccomp:\t2" in text and "NoNewPrivs:\t1" in text, "the session is locked", text)
    if os.getuid() == 0:    # nobody else may look into a process that cannot be dumped
        with open(f"/proc/{pid}/smaps_rollup") as f:
            pss = re.search(r"Pss:\s+(\d+)", f.read()).group(1)
        print(f"# an idle logged-in session: PSS {pss} KiB")
    p.kill()
    p.wait()


rig = session_rig.Rig(PROGRAM, folder)
try:
    test_exports()
    test_keygen()
    for test in (test_raw, test_audit, test_verbs, test_usage, test_logs, test_logs_since, test_logs_follow, test_backup_list, test_console, test_typed, test_terminal, test_backup_get, test_rsync, test_shell, test_ciphers,
                 test_channels, test_late_files, test_forwarding, test_login, test_password_tries, test_mute, test_store_gone, test_locks):
        try:
            test(rig)
        except Exception as e:  # a test that breaks is a failed test, the others still run
            ok(False, test.__name__ + " broke", repr(e))
    test_keepalive()
finally:
    rig.stop()
with open(os.path.join(folder, "session.log")) as f:
    log = f.read()
bad = [line for line in log.splitlines() if "bug at" in line or "ERROR: " in line or "runtime error" in line]
ok(not bad, "no session found a bug in itself", "\n".join(bad) + log[-1500:])
shutil.rmtree(folder, ignore_errors=True)
print(f"1..{count}")
sys.exit(failed > 0)
