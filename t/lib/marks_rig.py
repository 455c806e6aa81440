#!/usr/bin/python3 -B
"""Plays the supervisor to holdfast-filter for sys/marks.t, in the host of filter_net.sh: connections that the filter knows by their mark end with
the rules that let them through.

  marks_rig.py PROGRAM LOG ONE TWO WORLD     the last three are names of network namespaces; prints "ok WORDS" and "not ok WORDS"
"""
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from filter_rig import DONE, MENDED, SET, START, TABLE, Filter
from link import U64

FLOW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow.py")
WORLD4, WORLD6, HOST4, TWO4 = "198.51.100.9", "2600::9", "203.0.113.1", "10.213.0.6"
ANY, DENIED, PORT, OTHERS_PORT = 7000, 7002, 20000, 20001
PATIENCE = 20
MARK = re.compile(r'iifname "hf\*" ct mark (0x[0-9a-f]{8})')
program, log, one, two, world = sys.argv[1:]
flows, seen = [], []


def say(good, words):
    print("ok" if good else "not ok", words, flush=True)


def nft(text):
    return subprocess.run(["nft", "-n", "-f", "-"], input=text, capture_output=True, text=True, check=True).stdout


def until(what):
    end = time.monotonic() + PATIENCE
    while not (got := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return got


class Flow:
    def __init__(self, name, space, proto, address, port):
        self.name, self.proto, self.address, self.port = name, proto, address, port
        self.answers, self.ended = 0, False
        self.process = subprocess.Popen(["nsenter", "--net=/run/netns/" + space, FLOW, "hold", proto, address, str(port)], stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        flows.append(self)

    def read(self):
        for line in self.process.stdout:
            self.answers += line == "answer\n"
            self.ended |= line == "end\n"

    def goes_on(self):
        before = self.answers
        return bool(until(lambda: self.answers > before + 3)) and not self.ended

    def is_silent(self):
        """For longer than twenty of its tries take; what was on its way when the rules changed is answered."""
        def quiet():
            before = self.answers
            time.sleep(0.5)
            return self.answers == before
        return bool(until(quiet))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def close_all():
    while flows:
        flows.pop().close()


def world_flows():
    """Between a server and the world outside, both directions and families."""
    made = [Flow(f"{proto} out{v}", one, proto, to, ANY) for proto in ("tcp", "udp") for v, to in ((4, WORLD4), (6, WORLD6))]
    return made + [Flow(f"{proto} in{v}", world, proto, to, PORT) for proto in ("tcp", "udp") for v, to in ((4, HOST4), (6, "2001:db8::1"))]


def server_flows():
    linked = [Flow(f"{proto} linked", one, proto, TWO4, ANY) for proto in ("tcp", "udp")]
    return linked + [Flow(f"{proto} to another's port", one, proto, HOST4, OTHERS_PORT) for proto in ("tcp", "udp")]


def server(n, ports=True, links=(), egress=(), up=0, down=0):
    a = n * 4 + 2
    ports = (20000 + n, 0, 20000 + n, 1) if ports else ()
    rules = [field for rule in egress for field in rule]
    return (f"s{n}", f"hf{0x0ad50000 + a:08x}", f"10.213.0.{a}", f"fd00::{a:x}", len(ports) // 2, *ports, len(links), *links, len(egress), *rules,
            U64(up), U64(down))


NO_DENIED = (0, WORLD4 + "/32", DENIED, DENIED, 0)
NO_WORLD = [(0, WORLD4 + "/32", 0, 0, 0), (0, WORLD6 + "/128", 0, 0, 0)]
LINK = ("hf0ad50006",)
FREE = dict(links=LINK, egress=[NO_DENIED])


class Rig:
    def __init__(self):
        self.filter = Filter(program, log)

    def wait(self, kind=DONE):
        while (m := self.filter.link.recv()) and m.kind != kind:
            pass
        if m is None or not m.fields[0]:
            sys.exit(f"the filter says {m and m.fields}")

    def set(self, **how):
        self.filter.send(SET, *server(0, **how))
        self.wait()

    def reload(self, other=True, **how):
        servers = [server(0, **how), server(1, ports=other)]
        self.filter.send(START, 2, TABLE, "10.213.0.0/16", "fd00::/48", 1, "1.1.1.1", 0, 1, 2222, 1, 1, 1, 1, len(servers))
        for s in servers:
            self.filter.link.send(SET, *s, id=0)
        self.wait()

    def again(self, **how):
        self.filter.process.kill()
        self.filter.process.wait()
        self.filter.link.sock.close()
        self.filter = Filter(program, log)
        self.reload(**how)


def mark_now():
    found = MARK.search(subprocess.run(["nft", "-n", "list", "chain", "inet", TABLE, "forward"], capture_output=True, text=True).stdout)
    return found and found[1]


def marked():
    """Waits for the next mark, and returns it."""
    mark = until(mark_now)
    if mark is None:
        sys.exit("no mark")
    if mark not in seen[-1:]:
        seen.append(mark)
    return mark


def has_mark(flow, mark):
    """Behind the filter its packets are looked at by a table of ours; -1: whatever is not 0."""
    match = "ct mark != 0" if mark == -1 else f"ct mark {mark}"
    port = PORT + 1 if flow.port == OTHERS_PORT else flow.port
    nft(f"table inet look {{ counter n {{ }}; chain f {{ type filter hook forward priority 10; ct direction original meta l4proto {flow.proto} "
        f"ct original proto-dst {port} {match} counter name n; }}; }}")

    def counted():
        return int(re.search(r"packets (\d+)", nft("list counter inet look n\n"))[1])
    try:
        return bool(until(counted)) if mark != -1 else flow.goes_on() and counted() > 0
    finally:
        nft("delete table inet look\n")


def set_mark(what):
    """From here on, by somebody else on the host, before the filter looks."""
    nft("table inet else { chain f { type filter hook prerouting priority -150; }; }\nflush chain inet else f\n" + (f"add rule inet else f {what}\n" if what else ""))


def all_go_on(some, words):
    stopped = [f.name for f in some if not f.goes_on()]
    say(not stopped, f"{words}{': not ' + ', '.join(stopped) if stopped else ''}")


def all_silent(some, words):
    went = [f.name for f in some if not f.is_silent()]
    say(not went, f"{words}{': but ' + ', '.join(went) if went else ''}")


def all_marked(some, mark, words):
    without = [f.name for f in some if not has_mark(f, mark)]
    say(not without, f"{words}{': not ' + ', '.join(without) if without else ''}")


def end_with(rig, words, change, which):
    """Connections of all kinds; CHANGE denies those of which WHICH is true, for as long as it is in force."""
    rig.reload(**FREE)
    mark = marked()
    made, others = world_flows(), server_flows()
    all_go_on(made + others, f"{words}: all talk")
    all_marked(made, mark, f"{words}: and are known by their mark")
    change()
    over = [f for f in made + others if which(f)]
    say(bool(over), f"{words}: {len(over)} are no longer allowed")
    all_silent(over, f"{words}: they end at once")
    say(marked() != mark, f"{words}: another mark")
    all_silent(over, f"{words}: with which none comes back")
    all_go_on([f for f in made + others if f not in over], f"{words}: the others go on")
    say(all(f.ended for f in over if f.proto == "tcp" and " in" not in f.name), f"{words}: and a server that talks by TCP is told")
    close_all()


def denials(rig):
    for words, change in (("told of one server", lambda **how: rig.set(**how)), ("told of all", lambda **how: rig.reload(**how)),
                          ("another filter", lambda **how: rig.again(**how))):
        end_with(rig, words + ", egress", lambda: change(links=LINK, egress=NO_WORLD), lambda f: " out" in f.name)
        end_with(rig, words + ", ports", lambda: change(ports=False, **FREE), lambda f: " in" in f.name)
        end_with(rig, words + ", links", lambda: change(egress=[NO_DENIED]), lambda f: "linked" in f.name)
    end_with(rig, "another's ports", lambda: rig.reload(other=False, egress=[NO_DENIED]), lambda f: "linked" in f.name or "another" in f.name)


def between_servers(rig):
    rig.reload(**FREE)
    marked()
    both = server_flows()
    all_go_on(both, "between servers: all talk")
    say(not any(has_mark(f, -1) for f in both), "and none has a mark")
    close_all()


def rates(rig):
    rig.reload(**FREE)
    mark, made = marked(), world_flows()
    all_go_on(made, "rates: all talk")
    all_marked(made, mark, "and are known by their mark")
    for up, down in ((1 << 24, 0), (1 << 24, 1 << 24), (1 << 25, 1 << 25), (0, 1 << 25), (0, 0)):
        rig.set(up=up, down=down, **FREE)
        all_go_on(made, f"net_up {up}, net_down {down}: all go on")
        hook = "hook postrouting priority 0" in nft(f"list table inet {TABLE}\n")
        say(hook == bool(down), f"a chain for what servers are sent {'is' if down else 'is not'} there")
    all_marked(made, marked(), "the next mark has come to all")
    rig.again(**FREE)
    all_go_on(made, "another filter with the same rules: all go on")
    all_marked(made, marked(), "and get its mark")
    nft(f"delete table inet {TABLE}\n")
    rig.wait(MENDED)
    all_marked([f for f in made if f.goes_on()], marked(), "what goes on when the table was deleted gets the next")
    close_all()


def foreign(rig):
    """Marks that are not ours, on what is denied and on what is not."""
    rig.reload(**FREE)
    mark = marked()
    now = int(mark, 16)
    others = {1, now ^ 1, now + 1, now - 1, now & 0x0fffffff, now | 0x80000000, 0x60000000, 0xffffffff} | {int(m, 16) for m in seen[:-1]}
    for other in sorted(others):
        set_mark(f"ct mark set {other}")
        tries = [Flow(f"{proto} denied", one, proto, WORLD4, DENIED) for proto in ("tcp", "udp")]
        say(until(lambda: tries[0].ended) and tries[1].is_silent() and not any(f.answers for f in tries), f"mark {other:#x} opens nothing")
        close_all()
    set_mark(f"ct mark set {mark}")
    control = Flow("udp denied", one, "udp", WORLD4, DENIED)
    say(control.goes_on(), "the number itself would, set by root of the host: these tests can fail")
    close_all()
    rig.set(links=LINK, egress=[NO_DENIED])
    marked()
    set_mark("ct state new ct mark set 5")
    made = world_flows()
    all_go_on(made, "who has another's mark: all talk")
    all_marked(made, "0x5", "and keep it")
    rig.set(ports=False, links=LINK, egress=NO_WORLD)
    all_silent(made, "and end with what they came by")
    marked()
    all_silent(made, "for good")
    close_all()
    set_mark("")


def ready():
    servers = []
    at_world = (f"{a},{port}" for a in (WORLD4, WORLD6) for port in (ANY, DENIED))
    for space, places in ((one, (PORT,)), (two, (ANY, OTHERS_PORT)), (world, at_world)):
        p = subprocess.Popen(["nsenter", "--net=/run/netns/" + space, FLOW, "echo", *map(str, places)], stdout=subprocess.PIPE, text=True)
        servers.append(p)
        if p.stdout.readline() != "ready\n":
            sys.exit("no echo")
    return servers


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
servers = ready()
try:
    rig = Rig()
    denials(rig)
    between_servers(rig)
    rates(rig)
    foreign(rig)
    say(len(set(seen)) == len(seen) > 20, f"no mark came twice, of {len(seen)}")
    rig.filter.close()
finally:
    close_all()
    for p in servers:
        p.kill()
        p.wait()
