#!/usr/bin/python3
"""holdfast-policy, the real program: what it makes of a profile and an admin's changes, what it may, and that it believes nothing."""
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bpf import ALLOW, KILL, parse, run
from lint import Tap
from link import Link, frame, pair

BUILD = os.environ.get("HOLDFAST_BUILD", os.getcwd())
PROGRAM = os.path.join(BUILD, "holdfast-policy")
MAKE, MADE = 0x580, 0x581
SERVER, BUILDS, TOOL = range(3)
FILTER, TABLE, JSON = range(3)
SEALS = 1 | 2 | 4 | 8      # seal, shrink, grow, write
EPERM, ENOSYS = 0x50001, 0x50026
tap = Tap()


def is_(have, want, words):
    tap.ok(have == want, words, [] if have == want else [f"have {have!r}"[:2000], f"want {want!r}"[:2000]])


class Job:
    def __init__(self):
        ours, its = pair()
        self.log = tempfile.TemporaryFile()

        def plan():
            os.dup2(its.fileno(), 3)
            os.set_inheritable(3, True)
            os.closerange(4, 1024)      # as the supervisor does
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log, close_fds=False,
                                        preexec_fn=plan, env={})
        its.close()
        self.link = Link(ours, patience=60)

    def end(self):
        self.link.close()
        return self.process.wait(timeout=60)


def make(profile, want, *words):
    """(ok, error, fd, exit code)"""
    job = Job()
    job.link.send(MAKE, profile, want, 2, len(words), *words, id=7)
    m = job.link.recv()
    good = m is not None and m.kind == MADE and m.id == 7 and len(m.fields) == 2
    code = job.end()
    return (m.fields[0], m.fields[1], m.fds[0] if m.fds else None, code) if good else (None, repr(m), None, code)


def program(profile, *words):
    fd = make(profile, FILTER, *words)[2]
    return None if fd is None else parse(os.pread(fd, 1 << 20, 0))


def numbers():
    """Names and numbers, as the program itself prints them."""
    return {r["call"]: r["number"] for r in map(json.loads, text(make(SERVER, JSON)[2]).splitlines()) if r["number"] >= 0}


def text(fd):
    return os.pread(fd, 1 << 20, 0).decode()


# --- what it makes ------------------------------------------------------------------------------------------------------------------

ok, error, fd, code = make(SERVER, FILTER)
is_((ok, error, code), (1, "", 0), "a filter is made")
is_(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS, SEALS, "sealed against everything")
size = os.fstat(fd).st_size
tap.ok(size % 8 == 0 and 1000 < size < 4096 * 8, "of whole instructions", [str(size)])
NR = numbers()
plain, changed = program(SERVER), program(SERVER, "+ptrace", "-mq_open")
is_([run(plain, NR[c]) for c in ("ptrace", "mq_open", "read")], [EPERM, ALLOW, ALLOW], "without changes: as the policy")
is_([run(changed, NR[c]) for c in ("ptrace", "mq_open", "read")], [ALLOW, EPERM, ALLOW], "with changes: as they say")
is_(run(changed, 0, arch=0x40000003), KILL, "another architecture is killed")
is_(run(program(TOOL, "-chmod"), NR["chmod"]), EPERM, "an errand loses what the server lost")
is_(run(program(TOOL), NR["socket"], 1), EPERM, "and has no socket")

# --- what is printed is what is loaded ----------------------------------------------------------------------------------------------------

rows = [json.loads(line) for line in text(make(SERVER, JSON, "+ptrace", "-mq_open")[2]).splitlines()]
is_(sorted({tuple(sorted(r)) for r in rows}), [("action", "call", "conditions", "number", "reason")], "objects of five keys")
errnos = {"allow": ALLOW, "kill": KILL, "errno EPERM": EPERM, "errno ENOSYS": ENOSYS}
wrong = [r for r in rows if r["number"] >= 0 and r["conditions"] == "" and r["action"] in errnos and
         not any(o["call"] == r["call"] and o is not r for o in rows) and run(changed, r["number"]) != errnos[r["action"]]]
is_(wrong, [], "each unconditional row is what the filter answers")
listed = {r["number"] for r in rows}
is_([n for n in range(1024) if n not in listed and run(changed, n) != ENOSYS], [], "and what no row names answers ENOSYS")
is_([(r["action"], r["reason"]) for r in rows if r["call"] in ("ptrace", "mq_open")],
    [("errno EPERM", "taken away by the admin"), ("allow", "added by the admin")], "the admin's rows say so")
tap.ok(all(r["reason"] for r in rows), "each row has a reason")
table = text(make(SERVER, TABLE, "+ptrace")[2]).splitlines()
is_(table[0].split(), ["CALL", "CONDITIONS", "ACTION", "REASON"], "a table has a head")
is_(len(table), len([json.loads(x) for x in text(make(SERVER, JSON, "+ptrace")[2]).splitlines()]) + 1, "and a line for each row")
is_([x.split()[:3] for x in table if x.startswith("ptrace ")], [["ptrace", "-", "allow"]], "readable")

# --- refusals --------------------------------------------------------------------------------------------------------------------------------

for word, said in (("+mount", "can never be added"), ("-execve", "cannot be taken away"), ("+nosuch", "is no system call"), ("ptrace", "allowed: +CALL"),
                   ("+" + "x" * 5000, "is no system call"), ("", "allowed: +CALL"), ("+a\nb", "is no system call")):
    ok, error, fd, code = make(SERVER, FILTER, word)
    tap.ok((ok, fd, code) == (0, None, 0) and said in error and "\n" not in error, f"{word[:20]!r}: refused, and why", [repr((ok, error, fd, code))])
for words, message in (("a profile that is none", frame(MAKE, 3, 0, 2, 0)), ("a wish that is none", frame(MAKE, 0, 3, 2, 0)),
                       ("too many changes", frame(MAKE, 0, 0, 2, 201, *["+ptrace"] * 201)), ("fewer changes than it says", frame(MAKE, 0, 0, 2, 2, "+ptrace")),
                       ("bytes left over", frame(MAKE, 0, 0, 2, 0, 1)), ("another message", frame(0x501, 0, 0, 2, 0)), ("no message", b"x")):
    job = Job()
    job.link.raw(message)
    try:
        answer = job.link.recv()
    except OSError:
        answer = None
    code = job.end()
    tap.ok(answer is None and code not in (0, -signal.SIGSEGV, -signal.SIGSYS), f"{words}: it dies without an answer", [repr((answer, code))])
job = Job()
tap.ok(job.end() != 0, "nobody asks: it ends")

# --- what it may ---------------------------------------------------------------------------------------------------------------------------------

job = Job()
status, end = {}, time.monotonic() + 20
while status.get("Seccomp") != "2" and time.monotonic() < end:
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{job.process.pid}/status").read().splitlines() if ":\t" in line)
    time.sleep(0.01)
is_((status.get("Seccomp"), status.get("NoNewPrivs")), ("2", "1"), "it is locked before it reads a byte")
if os.getuid() == 0:
    links = {n: os.readlink(f"/proc/{job.process.pid}/fd/{n}") for n in os.listdir(f"/proc/{job.process.pid}/fd")}
    others = {n: t for n, t in links.items() if int(n) > 3 and "/memfd:" not in t}
    is_(others, {}, "it holds its memory file and no other")
limits = dict((line[:26].strip(), line[26:].split()[:2]) for line in open(f"/proc/{job.process.pid}/limits").read().splitlines()[1:])
is_(limits["Max cpu time"], ["5", "5"], "five seconds of processor are its most")
job.end()
tap.end()
