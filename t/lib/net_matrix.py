#!/usr/bin/python3 -B
"""What a hostile server tries in its network, and whether it got through.

  net_matrix.py facts NAME=NETNS...                             addresses of servers, and what belongs to their ends on the host
  net_matrix.py inside FACTS                                    jobs for the payload inside server `one` (t/payload/net)
  net_matrix.py root FACTS                                      jobs for root in its network namespace: ICMP, which has no socket inside
  net_matrix.py forge FACTS                                     sends the forged frames; run in its network namespace
  net_matrix.py judge FACTS closed|open INSIDE ROOT TWO LOG     results; TWO: what server two heard, LOG: what the world saw

closed: all probes of refused destinations must come to nothing, those of allowed ones arrive from the host's public address.
open: with the filter away, each must arrive, or it was no probe."""
import collections
import ipaddress
import json
import os
import random
import socket
import struct
import subprocess
import sys

import world
from results import ok

# expect: "refused", "allowed", "published"
Knock = collections.namedtuple("Knock", "name proto address port expect more", defaults=({},))
PUBLIC4, PUBLIC6 = "203.0.113.10", "2001:db8:1::10"
CLIENT4, CLIENT6 = "198.51.100.200", "2001:db8:c::200"
FAR4, FAR6 = "198.51.100.7", "2001:db8:2::7"
LAN4, LAN6, META4 = "192.168.77.5", "fd77::5", "169.254.169.254"
LINK_LOCAL, GROUP4, GROUP6 = "fe80::77", "239.77.0.5", "ff0e::77"      # the test gives them to the host's end of one's link
RESOLVERS = ("1.1.1.1", "8.8.8.8")
PORT, FORGED_PORT = 8080, 5353     # what comes to the second is forged: its packets look like others'


# --- what there is -----------------------------------------------------------------------------------------------------------------------------

def ip(net, *words):
    command = ["nsenter", f"--net={net}"] if net else []
    return json.loads(subprocess.run([*command, "ip", "-j", *words], check=True, capture_output=True, text=True).stdout or "[]")


def one_fact(net):
    eth0 = ip(net, "addr", "show", "dev", "eth0")[0]
    found = {"net": net}
    for a in eth0["addr_info"]:
        if a["scope"] == "global":
            found["in4" if a["family"] == "inet" else "in6"] = a["local"]
            if a["family"] == "inet":
                found["broadcast"] = str(ipaddress.ip_interface(f"{a['local']}/{a['prefixlen']}").network.broadcast_address)
    found["mac"] = eth0["address"]
    for link in ip(None, "addr"):
        if link["ifindex"] == eth0["link_index"]:
            found["dev"], found["host_mac"] = link["ifname"], link["address"]
            for a in link["addr_info"]:
                if a["scope"] == "global":
                    found["gw4" if a["family"] == "inet" else "gw6"] = a["local"]
    return found


# --- the list ----------------------------------------------------------------------------------------------------------------------------------

def both(address, expect, port=PORT, what="", icmp=True, **more):
    what = what or address
    for proto in ("tcp", "udp"):
        yield Knock(f"{proto} {what}" + (f" port {port}" if port != PORT else ""), proto, address, port, expect, more)
    if icmp:
        yield Knock(f"icmp {what}", "icmp", address, 0, expect, more)


def neighbours():
    for a in world.LAN + world.META:
        yield from both(a, "refused")
    yield from both(META4, "refused", 80, icmp=False)
    for a in (LAN4, LAN6):
        yield from both(a, "refused", 53, icmp=False)
    for a in (LAN4, META4, PUBLIC4):
        yield from both("::ffff:" + a, "refused", icmp=False)
    yield Knock(f"a datagram in fragments to {LAN4}", "udp", LAN4, PORT, "refused", {"pad": 4000})
    yield Knock(f"a datagram in fragments to {LAN6}", "udp", LAN6, PORT, "refused", {"pad": 4000})
    yield Knock(f"a source route over the host to {LAN4}", "udp", LAN4, PORT, "refused", {"over": PUBLIC4})


def host(f, listening):
    one = f["one"]
    own = [PUBLIC4, "203.0.113.11", "192.168.77.1", "169.254.1.1", one["gw4"], PUBLIC6, "fd77::1", one["gw6"]]
    for a in own:
        yield from both(a, "refused", what=f"the host at {a}")
        for port in (22, 53):
            yield from both(a, "refused", port, f"the host at {a}", icmp=False)
    yield from both(LINK_LOCAL + "%eth0", "refused", what=f"the host at {LINK_LOCAL}")
    yield Knock("tcp holdfast's own port", "tcp", PUBLIC4, listening, "refused")


def everybody(f):
    for a in ("224.0.0.1", GROUP4, "255.255.255.255", f["one"]["broadcast"], "ff02::1%eth0", f"{GROUP6}%eth0"):
        yield Knock(f"udp {a}", "udp", a, PORT, "refused")
    for a in ("224.0.0.1", "ff02::1%eth0"):
        yield Knock(f"icmp {a}", "icmp", a, 0, "refused", {"not": [f["one"]["in4"], f["one"]["in6"]]})      # it hears itself


def another(f):
    """Server two, which listens on its published port 31002 and on PORT."""
    two = f["two"]
    for a in (two["in4"], two["in6"]):
        yield from both(a, "refused", 31002, f"server two at {a}")
        yield from both(a, "refused", PORT, f"server two at {a}", icmp=False)
    for a in (two["gw4"], two["gw6"]):
        yield from both(a, "refused", PORT, f"the host at two's {a}")
        yield from both(a, "refused", 31002, f"server two by the host's {a}", icmp=False)
    # What is published is everybody's, by the address it is published at.
    for a in (PUBLIC4, PUBLIC6):
        yield from both(a, "published", 31002, f"server two by the host's {a}", icmp=False)


def public():
    for a in world.PUBLIC:
        yield from both(a, "allowed")
    for a in (CLIENT4, CLIENT6):
        yield from both(a, "allowed", 443)
    yield Knock(f"a datagram in fragments to {FAR4}", "udp", FAR4, PORT, "allowed", {"pad": 4000})
    yield from both("::ffff:" + FAR4, "allowed", icmp=False)
    for a in RESOLVERS:
        yield from both(a, "allowed", 53, icmp=False)
    for a in ("9.9.9.9", "2620:fe::9", FAR4, FAR6):
        yield from both(a, "refused", 53, icmp=False)


def borrowed(f):
    """What a program without any right can do: IPv6 lets it send from addresses that it does not have."""
    for src in ("2001:4860:4860::8888", PUBLIC6, f["two"]["in6"], CLIENT6, LAN6):
        yield Knock(f"udp from {src}, free bound", "udp", FAR6, FORGED_PORT, "refused", {"from": src, "free": True})


def knocks(f):
    yield from neighbours()
    yield from host(f, f["port"])
    yield from everybody(f)
    yield from another(f)
    yield from public()
    yield from borrowed(f)


def job(f, raw):
    probes = [{"name": k.name, "proto": k.proto, "address": k.address, "port": k.port, "text": k.name, **k.more}
              for k in knocks(f) if (k.proto == "icmp") == raw]
    return [{"op": "probe", "probes": probes, "wait": 8}]


# --- forged frames -----------------------------------------------------------------------------------------------------------------------------

Forged = collections.namedtuple("Forged", "name kind src dst port")


def forged(f):
    one, two = f["one"], f["two"]
    sources4 = ("8.8.8.8", PUBLIC4, two["in4"], two["gw4"], one["gw4"], LAN4, CLIENT4, "127.0.0.1", META4)
    sources6 = ("2001:4860:4860::8888", PUBLIC6, two["in6"], two["gw6"], one["gw6"], LAN6, CLIENT6, "2002:c0a8:4d05::5")
    for sources, far in ((sources4, FAR4), (sources6, FAR6)):
        for src in sources:
            for kind in ("udp", "syn"):
                yield Forged(f"{kind} from {src} to the internet", kind, src, far, FORGED_PORT)
    for src in (LAN4, "8.8.8.8", "127.0.0.1", two["in4"], PUBLIC4):
        yield Forged(f"udp from {src} to the host", "udp", src, PUBLIC4, FORGED_PORT)
    for src in (one["in4"], "127.0.0.1", PUBLIC4):
        yield Forged(f"udp from {src} to the host's 127.0.0.1", "udp", src, "127.0.0.1", FORGED_PORT)
    for src in (LAN6, two["in6"]):
        yield Forged(f"udp from {src} to the host", "udp", src, PUBLIC6, FORGED_PORT)
    for src in (two["gw4"], CLIENT4, PUBLIC4):
        yield Forged(f"udp from {src} to server two", "udp", src, two["in4"], 31002)
    for src in (two["gw6"], CLIENT6, PUBLIC6):
        yield Forged(f"udp from {src} to server two", "udp", src, two["in6"], 31002)
    for src in (PUBLIC4, "192.168.77.1", CLIENT4):
        yield Forged(f"udp from {src} to a neighbour", "udp", src, LAN4, FORGED_PORT)
    yield Forged(f"udp from the host's address to the metadata", "udp", "169.254.1.1", META4, FORGED_PORT)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(x):
    """The IP packet of one forged frame, and its ether type."""
    six = ":" in x.src
    src, dst = (socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, a) for a in (x.src, x.dst))
    sport = random.randrange(20000, 60000)
    if x.kind == "udp":
        proto, text = 17, f"forged {x.name}".encode()
        body = struct.pack("!HHHH", sport, x.port, 8 + len(text), 0) + text
    else:
        proto, body = 6, struct.pack("!HHIIBBHHH", sport, x.port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = src + dst + (struct.pack("!IxxxB", len(body), proto) if six else struct.pack("!xBH", proto, len(body)))
    at = 6 if proto == 17 else 16
    body = body[:at] + struct.pack("!H", checksum(pseudo + body) or 0xffff) + body[at + 2:]
    if six:
        return 0x86dd, struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + src + dst + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), sport, 0, 64, proto, 0) + src + dst
    return 0x0800, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def forge(f):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("eth0", 0))
        macs = [bytes.fromhex(f["one"][k].replace(":", "")) for k in ("host_mac", "mac")]
        for x in forged(f):
            ether, data = packet(x)
            s.send(b"".join(macs) + struct.pack("!H", ether) + data)


# --- what came of it -----------------------------------------------------------------------------------------------------------------------------

class Evidence:
    def __init__(self, two, log):
        self.heard = [h for h in log["heard"]] + [dict(h, place="two") for h in two]
        self.seen = [tuple(s) for s in log["seen"]]

    def of(self, k):
        """Where the knock was noticed, in words; "" for nowhere."""
        address = world.net.plain(k.address)
        for h in self.heard:
            if h["text"].rstrip() == k.name and h["proto"] == k.proto:
                return f"heard in {h['place']} from {h['src']}"
        for place, proto, src, dst, port in self.seen:
            if (proto, dst) == (k.proto, address) and port in ((8, 128) if proto == "icmp" else (k.port,)):
                if "free" not in k.more or src == k.more["from"]:
                    return f"a packet of {src} seen in {place}"
        return ""

    def of_forged(self, x):
        for h in self.heard:
            if h["text"] == f"forged {x.name}"[:100]:
                return f"heard in {h['place']} from {h['src']}"
        for place, proto, src, dst, port in self.seen:
            if (proto, src, dst, port) == ({"syn": "tcp"}.get(x.kind, x.kind), x.src, x.dst, x.port):
                return f"seen in {place}"
        return ""


def judge_closed(f, said, evidence):
    inner = {f[s][k] for s in ("one", "two") for k in ("in4", "in6")}
    for k in knocks(f):
        came, trace = said[k.name], evidence.of(k)
        if k.expect == "refused":
            ok(not came.startswith("got") and not trace, f"{k.name}: refused ({came})", (came, trace))
        elif k.expect == "published":
            ok(came.startswith("got") and "in two" in trace, f"{k.name}: reaches it", (came, trace))
        else:
            peer = PUBLIC6 if ":" in world.net.plain(k.address) else PUBLIC4
            arrived = came.startswith(f"got peer {peer} " if k.proto != "icmp" else "got")
            ok(arrived, f"{k.name}: allowed, from the host's address", (came, trace))
    for x in forged(f):
        trace = evidence.of_forged(x)
        ok(not trace, f"forged {x.name}: goes nowhere", trace)
    out = [s for s in evidence.seen if s[2] in inner]
    ok(not out, "no packet with an inside address leaves the host", out)


def judge_open(f, said, evidence):
    for k in knocks(f):
        if k.expect == "published":
            continue
        came, trace = said[k.name], evidence.of(k)
        ok(came.startswith("got") or trace, f"open: {k.name} arrives", came)
    for x in forged(f):
        ok(evidence.of_forged(x), f"open: forged {x.name} arrives")


def load(path):
    with open(path) as file:
        return json.load(file)


def main():
    words = sys.argv[1:]
    if words[0] == "facts":
        print(json.dumps({n: one_fact(p) for n, p in (w.split("=") for w in words[1:] if not w.startswith("port="))} |
                         {"port": int(w[5:]) for w in words[1:] if w.startswith("port=")}))
        return
    f = load(words[1])
    if words[0] in ("inside", "root"):
        print(json.dumps(job(f, words[0] == "root")))
    elif words[0] == "forge":
        forge(f)
    else:
        said = load(words[3])[0] | load(words[4])[0]
        evidence = Evidence(load(words[5])[0], load(words[6]))
        (judge_open if words[2] == "open" else judge_closed)(f, said, evidence)


main()
