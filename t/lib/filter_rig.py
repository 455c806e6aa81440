#!/usr/bin/python3 -B
"""Plays the supervisor to a holdfast-filter: what it says to wrong messages, and to five hundred servers.  In a network namespace of its own.

  filter_rig.py PROGRAM          prints "ok WORDS" and "not ok WORDS"
  filter_rig.py PROGRAM bench    prints how long things take
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from link import U64, Link, pair

START, SET, DROP, END, DONE, MENDED = 0x560, 0x561, 0x562, 0x563, 0x564, 0x565
TABLE = "holdfast-rig"


class Filter:
    def __init__(self, program, log="/dev/null"):
        ours, theirs = pair()
        theirs_fd = theirs.fileno()

        def place():
            os.dup2(theirs_fd, 3)
        self.process = subprocess.Popen([program], preexec_fn=place, pass_fds=(3,), stdin=subprocess.DEVNULL, stderr=open(log, "a"))
        theirs.close()
        self.link = Link(ours, 60)
        self.id = 0

    def send(self, kind, *fields):
        self.id += 1
        self.link.send(kind, *fields, id=self.id)
        return self.id

    def answer(self):
        while (m := self.link.recv()) is not None and m.kind == MENDED:
            pass
        return m and (m.id, m.fields[0], " ".join(str(f) for f in m.fields[2:]))

    def ask(self, kind, *fields):
        wanted = self.send(kind, *fields)
        got = self.answer()
        return got is not None and got[0] == wanted and got[1] == 1

    def start(self, servers=0, table=TABLE):
        return self.send(START, 1, table, "10.213.0.0/16", "fd00::/48", 2, "1.1.1.1", "2606:4700:4700::1111", 0, 1, 2222, 1, 1, 1, 1, servers)

    def ended(self):
        try:
            while self.link.recv() is not None:
                pass
        except OSError:
            pass
        return self.process.wait(10)

    def close(self):
        self.link.sock.close()
        self.process.wait(10)


def server(n, **other):
    a = n * 4 + 2
    v = dict(name=f"s{n}", interface=f"hf{0x0ad50000 + a:08x}", inside=f"10.213.{a >> 8}.{a & 255}", inside6=f"fd00::{a:x}", port=20000 + n, link="hf1",
             net="10.1.0.0/16")
    v.update(other)
    return (v["name"], v["interface"], v["inside"], v["inside6"], 2, v["port"], 0, v["port"], 1, 1, v["link"],
            1, 1, v["net"], 3306, 3306, 6, U64(1 << 20), U64(0))


def nft(*words):
    return subprocess.run(["nft", "-s", *words], capture_output=True, text=True).stdout


def table():
    """Without the mark of connections that passed, which comes a second after a change and goes with the next."""
    rows = nft("list", "table", "inet", TABLE).replace(",", " ").splitlines()
    return sorted(word for row in rows if "ct mark" not in row for word in row.split())


def check(program, say):
    f = Filter(program)
    say(f.start() and f.answer()[1] == 1, "a table without servers")
    empty = table()
    say(empty, "is there")
    say(f.ask(SET, *server(1)), "a server")
    one = table()
    say(f.ask(SET, *server(2)) and table() != one, "another")
    say(f.ask(DROP, "s2") and table() == one, "takes along what it brought")
    say(f.ask(SET, *server(1, port=1234)) and table() != one and f.ask(SET, *server(1)) and table() == one, "one that is set again is the last one alone")
    say(f.ask(DROP, "nobody"), "one that is not there is dropped already")
    for bad in (dict(inside="0.0.0.0/0"), dict(interface='hf" accept'), dict(interface="hf1 }"), dict(net="::/0; accept"), dict(link="a\nb"),
                dict(port=0), dict(port=1 << 20), dict(name="../x"), dict(inside6="10.0.0.1")):
        say(not f.ask(SET, *server(3, **bad)) and table() == one, f"refused, and nothing is changed: {bad}")
    say(not f.ask(SET, *server(3, port=20001)) and table() == one, "a port that another has: refused by the kernel, and nothing is changed")
    # What it believes and what the kernel has differ: all is laid anew.
    nft("flush", "ruleset")
    say(f.ask(SET, *server(2)) and f.ask(DROP, "s2") and table() == one, "right after a flush as well")
    f.start(2)
    f.link.send(SET, *server(1), id=0)
    say(table() == one, "a start with servers waits for them")
    f.link.send(SET, *server(2), id=0)
    say(f.answer()[1] == 1 and table() != one, "and is one change")
    f.close()
    say(table() != one and table(), "its rules outlive it")
    f = Filter(program)
    say(f.start() and f.answer()[1] == 1 and table() == empty, "the next one takes over")
    say(f.ask(END) and not table(), "the end")
    f.close()
    for words, kind, fields in (("a server before the start", SET, server(1)), ("an unknown message", 0x599, ()), ("an end before the start", END, ())):
        f = Filter(program)
        f.send(kind, *fields)
        say(f.ended() != 0, f"{words}: it ends")
    for bad in ("filter", "holdfast; flush ruleset", "holdfast x", "", "holdfast" + "x" * 80):
        f = Filter(program)
        f.start(table=bad)
        say(f.ended() != 0, f"table '{bad[:30]}': it ends")
    say(not nft("list", "tables"), "and nothing is left")


def bench(program):
    def timed(what, fn, n=1):
        began = time.monotonic()
        fn()
        print(f"{what}: {(time.monotonic() - began) * 1000 / n:.1f} ms")

    f = Filter(program)
    f.start()
    f.answer()
    timed("first server", lambda: f.ask(SET, *server(0)))
    for n in range(1, 499):
        f.ask(SET, *server(n))
    timed("server 500", lambda: f.ask(SET, *server(499)))
    timed("drop of one in 500", lambda: f.ask(DROP, "s499"))

    def whole():
        f.start(499)
        for n in range(499):
            f.link.send(SET, *server(n), id=0)
        f.answer()
    timed("all 500 as one change", whole)
    began = time.monotonic()
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    while (m := f.link.recv()).kind != MENDED:
        pass
    print(f"500 flushed and mended: {(time.monotonic() - began) * 1000:.0f} ms; {m.fields}")
    status = open(f"/proc/{f.process.pid}/status").read()
    print(*[line for line in status.splitlines() if line.startswith("VmHWM")])
    time.sleep(2)
    f.link.sock.settimeout(2)
    try:
        print("unasked:", f.link.recv())
    except OSError:
        print("and nothing is mended again")
    f.close()


def say(good, words):
    print("ok" if good else "not ok", words, flush=True)


if __name__ != "__main__":
    pass
elif sys.argv[2:] == ["bench"]:
    bench(sys.argv[1])
else:
    check(sys.argv[1], say)
