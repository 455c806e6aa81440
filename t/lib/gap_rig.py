#!/usr/bin/python3 -B
"""Plays the supervisor to holdfast-filter for sys/gap.t: its table is laid anew all the time, in each way that there is.

  gap_rig.py PROGRAM SECONDS LOG     prints "ready" once the rules are in force, at the end "WORDS N" for each way

A busy machine is given three times as long to do it often enough.
"""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from filter_rig import DONE, DROP, MENDED, SET, START, TABLE, Filter
from link import U64

MISTAKES = (
    'add element TABLE links { "x" . "y" }', "insert rule TABLE refuse meta l4proto 99 drop", "add chain TABLE stray; add rule TABLE stray jump pass",
    # Who is a server is known by its address as well.
    'delete element TABLE ifs { "hf0ad50002" }', "flush set TABLE ifs", "flush map TABLE from4",
)
ENOUGH = 200
DENIED = (0, "198.51.100.9/32", 7002, 7002, 0)


def server(n, up=0, links=(), *egress):
    a = n * 4 + 2
    rules = [field for rule in egress for field in rule]
    return (f"s{n}", f"hf{0x0ad50000 + a:08x}", f"10.213.0.{a}", f"fd00::{a:x}", 1, 20000 + n, 0, len(links), *links, len(egress), *rules, U64(up), U64(0))


class Rig:
    """Server 0 is the one that probes; 1 is another; 5 comes and goes."""
    def __init__(self, program, log):
        self.program, self.log, self.did, self.turn = program, log, {}, 0
        self.filter = Filter(program, log)
        self.reload()

    def servers(self):
        one = server(0, 1 << 30 if self.turn % 3 == 0 else 0, (), DENIED, *([(0, "9.9.9.9/32", 0, 0, 0)] if self.turn % 2 else []))
        return [one, server(1), *([server(5)] if self.turn % 2 else [])]

    def reload(self):
        """As it is told at its start, after a death, and by each reload."""
        servers = self.servers()
        publish = ("203.0.113.1",) if self.turn % 5 == 0 else ()
        self.filter.send(START, 2, TABLE, "10.213.0.0/16", "fd00::/48", 1, "1.1.1.1", len(publish), *publish, 1, 2222, 1, 1, 1, 1, len(servers))
        for s in servers:
            self.filter.link.send(SET, *s, id=0)
        self.done()

    def done(self, kind=DONE):
        while True:
            m = self.filter.link.recv()
            if m is None or not m.fields[0]:
                sys.exit(f"the filter says {m and m.fields}")
            if m.kind == kind:
                return

    def restart(self):
        self.filter.process.kill()
        self.filter.process.wait()
        self.filter.link.sock.close()
        self.filter = Filter(self.program, self.log)
        self.reload()

    def change(self):
        self.filter.send(SET, *self.servers()[0])
        self.done()

    def come_and_go(self):
        self.filter.send(SET, *server(6, 1 << 20, (), DENIED))
        self.done()
        self.filter.send(DROP, "s6")
        self.done()

    def mistake(self):
        """An admin's, that by itself opens nothing, however long it stands."""
        what = MISTAKES[self.did.get("mistake", 0) % len(MISTAKES)]
        os.kill(self.filter.process.pid, signal.SIGSTOP)
        subprocess.run(["nft", what.replace("TABLE", "inet " + TABLE)], check=True)
        time.sleep(0.1)
        os.kill(self.filter.process.pid, signal.SIGCONT)
        self.done(MENDED)

    def all(self, seconds):
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds or (passed < 3 * seconds and self.turn < ENOUGH):
            for way in (self.reload, self.restart, self.reload, self.change, self.come_and_go, self.restart, self.mistake):
                self.turn += 1
                # It mends twenty times at once, then once a second: not to wait for that.
                if way != self.mistake or self.turn % 4 == 3:
                    way()
                    self.did[way.__name__] = self.did.get(way.__name__, 0) + 1


rig = Rig(sys.argv[1], sys.argv[3])
print("ready", flush=True)
rig.all(float(sys.argv[2]))
for name, n in rig.did.items():
    print(name, n)
rig.filter.close()
