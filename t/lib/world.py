#!/usr/bin/python3 -B
"""A small internet in network namespaces of one process: world.py run SOCKET; world.py ask SOCKET JSON

    lan ----+
            +--- host --- net --- client
    meta ---+

`host` is where the appliance runs: 203.0.113.10 and 2001:db8:1::10 towards `net`, which is the public internet, its name servers and the way
to `client`; towards `lan` it has neighbours in every range that PRODUCT calls refused; `meta` is 169.254.169.254.  All have real listeners
on the same TCP and UDP ports, and a kernel that answers pings.  Everybody knows the way back to every sandbox, so that nothing but a filter
keeps a packet away.

The namespaces have no names and no process but this one: they end with it, however it ends, and it ends with its parent.  It answers
questions over SOCKET: a JSON object a line, {"op": "log"} and so on (see OPS)."""
import contextlib
import ctypes
import importlib.machinery
import importlib.util
import json
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("net", os.path.join(HERE, "..", "payload", "net"))
net = importlib.util.module_from_spec(importlib.util.spec_from_loader("net", loader))
loader.exec_module(net)

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
NAMES = ("host", "lan", "meta", "net", "client")
PORTS = (22, 25, 80, 443, 5353, 8080, 31999)       # everybody listens there, TCP and UDP
POOLS = ("10.213.0.0/16", "fd00::/8")

# In the ranges PRODUCT section 5 lists, in its order; then other ways to write a private address.
LAN = ("0.77.0.5", "10.77.0.5", "10.255.255.254", "100.64.77.5", "100.127.255.254", "169.254.77.5", "172.16.77.5", "172.31.255.254", "192.0.0.77",
       "192.168.77.5", "192.168.255.254", "198.18.77.5", "198.19.255.254", "240.0.77.5", "255.255.255.253",
       "fc77::5", "fd77::5", "fdff:ffff:ffff::5", "2002:c0a8:4d05::5", "2002:cb00:710a::5", "fec0::5", "64:ff9b::c0a8:4d05", "64:ff9b:1::c0a8:4d05", "::c0a8:4d05",
       "::ffff:0:c0a8:4d05", "2001:0:c0a8:4d05::5")
META = ("169.254.169.254", "169.254.170.2", "fd00:ec2::254")
PUBLIC = ("198.51.100.7", "192.0.2.7", "11.0.0.7", "172.32.0.7", "100.128.0.7", "192.169.0.7", "223.255.255.254", "8.8.8.8", "1.1.1.1", "9.9.9.9",
          "2001:db8:2::7", "2a00:77::7", "2001:4860:4860::8888", "2606:4700:4700::1111", "2620:fe::9", "64:ff9b::c633:6407")
HOST = {"lan": ("192.168.77.1/24", "fd77::1/64"), "meta": ("169.254.1.1/30",), "wan": ("203.0.113.10/24", "2001:db8:1::10/64"),
        "lo": ("203.0.113.11/32",)}

# name -> answers; a name that is not here is not known.
RECORDS = {"game.example": ("198.51.100.7", "2001:db8:2::7"), "long.example": ("198.51.100.7",), "lan.example": ("192.168.77.5", "fd77::5")}


def check(result, what):
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


class Spaces:
    def __init__(self):
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.fds = {}
        for name in NAMES:
            check(libc.unshare(CLONE_NEWNET), "unshare")
            self.fds[name] = os.open("/proc/self/ns/net", os.O_RDONLY)
        check(libc.setns(self.own, CLONE_NEWNET), "setns")

    def path(self, name):
        return f"/proc/{os.getpid()}/fd/{self.fds[name]}"

    @contextlib.contextmanager
    def within(self, name):
        """NAME: one of ours, or the path of another namespace."""
        fd = self.fds[name] if name in self.fds else os.open(name, os.O_RDONLY)
        check(libc.setns(fd, CLONE_NEWNET), f"setns {name}")
        try:
            yield
        finally:
            check(libc.setns(self.own, CLONE_NEWNET), "setns")
            if name not in self.fds:
                os.close(fd)

    def ip(self, name, lines):
        """Commands of ip(8), a line each, in that namespace."""
        with self.within(name):
            done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"ip in {name}: {done.stderr}")

    def sysctl(self, name, values):
        with self.within(name):
            for key, value in values.items():
                with open("/proc/sys/net/" + key, "w") as f:
                    f.write(str(value))


def bits(address):
    return f"{address}/128" if ":" in address else f"{address}/32"


def wire(spaces):
    """Links, addresses and routes."""
    for name in NAMES:
        # What a careless admin might have: nothing of the appliance's may rest on these.
        spaces.sysctl(name, {"ipv6/conf/default/accept_dad": 0, "ipv6/conf/all/accept_dad": 0, "ipv4/conf/all/rp_filter": 0, "ipv4/conf/default/rp_filter": 0})
        spaces.ip(name, ["link set lo up"])
    loose = {f"ipv4/conf/{which}/{key}": 1 for which in ("all", "default") for key in ("route_localnet", "accept_local", "accept_source_route")}
    spaces.sysctl("host", {**loose, "ipv4/icmp_echo_ignore_broadcasts": 0})
    spaces.sysctl("lan", loose)
    spaces.sysctl("net", {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})
    for mine, other in (("lan", "lan"), ("meta", "meta"), ("wan", "net")):
        spaces.ip("host", [f"link add {mine} type veth peer name eth0 netns {spaces.path(other)}"])
    spaces.ip("net", [f"link add cli type veth peer name eth0 netns {spaces.path('client')}"])
    spaces.ip("host", [f"addr add {a} dev {dev}" for dev, all_ in HOST.items() for a in all_] + [f"link set {d} up" for d in ("lan", "meta", "wan")])
    spaces.ip("lan", ["link set eth0 up"] + [f"addr add {bits(a)} dev eth0" for a in LAN])
    spaces.ip("meta", ["link set eth0 up"] + [f"addr add {bits(a)} dev eth0" for a in META])
    spaces.ip("net", ["link set eth0 up", "link set cli up", "addr add 203.0.113.1/24 dev eth0", "addr add 2001:db8:1::1/64 dev eth0",
                      "addr add 198.51.100.193/27 dev cli", "addr add 2001:db8:c::1/64 dev cli"] + [f"addr add {bits(a)} dev lo" for a in PUBLIC])
    spaces.ip("client", ["link set eth0 up", "addr add 198.51.100.200/27 dev eth0", "addr add 2001:db8:c::200/64 dev eth0",
                         "route add default via 198.51.100.193", "route add default via 2001:db8:c::1"])
    spaces.ip("host", ["route add default via 203.0.113.1", "route add default via 2001:db8:1::1"]
              + [f"route replace {bits(a)} dev {d}" for d, all_ in (("lan", LAN), ("meta", META)) for a in all_])
    spaces.ip("net", ["route add 10.0.0.0/8 via 203.0.113.10", "route add fd00::/8 via 2001:db8:1::10"])
    for name in ("lan", "meta"):
        spaces.ip(name, ["route add 192.168.77.1/32 dev eth0", "route add default via 192.168.77.1",
                         "route add fd77::1/128 dev eth0", "route add default via fd77::1"])
    # The host has that address on the other link too: meta must be able to answer.
    spaces.ip("host", ["addr add fd77::1/128 dev meta nodad"])


# --- name servers ---------------------------------------------------------------------------------------------------------------------------

def answer_name(question, stream):
    """The answer to one question of one name; `long.example` is too long for a datagram."""
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode("ascii", "replace"))
        at += 1 + question[at]
    kind = struct.unpack_from("!H", question, at + 1)[0]
    name = ".".join(labels).lower()
    cut = name == "long.example" and not stream
    found = [a for a in RECORDS.get(name, ()) if kind == (28 if ":" in a else 1) and not cut]
    flags = 0x8180 | (0x0200 if cut else 0) | (0 if name in RECORDS else 3)
    reply = question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question[12:at + 5]
    for a in found:
        raw = socket.inet_pton(net.family(a), a)
        reply += struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(raw)) + raw
    return name, reply


class Names:
    """UDP and TCP port 53 of one address."""
    def __init__(self, talk, place, address):
        self.talk, self.place, self.address = talk, place, address
        for proto, what in (("udp", self.datagram), ("tcp", self.accept)):
            talk.selector.register(net.listener(proto, address, 53), selectors.EVENT_READ, (what, None))

    def record(self, proto, peer, name):
        self.talk.heard(proto=proto, place=self.place, dst=self.address, dport=53, src=net.plain(peer[0]), sport=peer[1], text=name)

    def datagram(self, s, _, __):
        question, peer = s.recvfrom(4096)
        if len(question) >= 17 and question[4:6] == b"\0\1":
            name, reply = answer_name(question, False)
            self.record("udp", peer, name)
            s.sendto(reply, peer)
        else:
            text = question.decode("ascii", "replace")
            self.record("udp", peer, text)
            s.sendto(f"peer {net.plain(peer[0])} {peer[1]} {text}".encode(), peer)

    def accept(self, s, _, __):
        c, peer = s.accept()
        c.settimeout(2)
        self.record("tcp", peer, "")
        with c:
            while head := c.recv(2):     # one question after the other
                if head[:1] != b"\0":
                    text = (head + c.recv(200)).decode("ascii", "replace").strip()
                    c.sendall(f"peer {net.plain(peer[0])} {peer[1]} {text}\n".encode())
                    return
                name, reply = answer_name(c.recv(struct.unpack("!H", head)[0]), True)
                self.record("tcp", peer, name)
                c.sendall(struct.pack("!H", len(reply)) + reply)


# --- what arrives, whether somebody listens or not --------------------------------------------------------------------------------------------

class Sniffer:
    """Every packet that reaches a place from its link, once."""
    def __init__(self, talk, place):
        self.place, self.seen = place, set()
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.s.setblocking(False)
        talk.selector.register(self.s, selectors.EVENT_READ, (self.packets, None))

    def packets(self, s, _, __):
        for _ in range(500):
            try:
                data, (dev, ether, kind, _, _) = s.recvfrom(2048)
            except BlockingIOError:
                return
            if kind != 4 and dev != "lo":
                self.seen.add(self.packet(ether, data))

    @staticmethod
    def packet(ether, data):
        if ether == 0x0800 and len(data) >= 20:
            proto, src, dst, rest = data[9], socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20]), data[(data[0] & 15) * 4:]
        elif ether == 0x86dd and len(data) >= 40:
            proto, rest = data[6], data[40:]
            src, dst = (socket.inet_ntop(socket.AF_INET6, data[i:i + 16]) for i in (8, 24))
        else:
            return (f"ether {ether:#06x}", "", "", 0)
        port = struct.unpack_from("!H", rest, 2)[0] if proto in (6, 17) and len(rest) >= 4 else rest[0] if rest else 0
        return ({6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}.get(proto, str(proto)), src, dst, port)


class World:
    def __init__(self, path):
        self.spaces, self.talk, self.sniffers = Spaces(), net.Talk(), []
        wire(self.spaces)
        for name in NAMES:
            with self.spaces.within(name):
                for address in ("0.0.0.0", "::"):
                    for port in PORTS:
                        self.talk.listen("udp", address, port, name)
                        self.talk.listen("tcp", address, port, name)
        self.names()
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control.bind(path)
        self.control.listen(8)
        self.talk.selector.register(self.control, selectors.EVENT_READ, (self.question, None))

    def names(self):
        with self.spaces.within("net"):
            for address in PUBLIC:
                Names(self.talk, "net", address)
        for name, address in (("lan", "192.168.77.5"), ("lan", "fd77::5"), ("meta", "169.254.169.254"), ("host", "0.0.0.0"), ("host", "::")):
            with self.spaces.within(name):
                Names(self.talk, name, address)

    def question(self, s, _, __):
        c, _ = s.accept()
        with c:
            c.settimeout(10)
            try:
                asked = json.loads(c.makefile("r").readline())
                answer = self.OPS[asked.pop("op")](self, **asked)
            except Exception as e:      # to the test: it is the one that asked
                answer = {"error": f"{type(e).__name__}: {e}"}
            c.sendall(json.dumps(answer).encode())

    def log(self):
        """All that listeners heard and sniffers saw since the last "clear"."""
        for _ in range(20):
            self.talk.turn(0.02)
        return {"heard": self.talk.records, "seen": [[x.place, *p] for x in self.sniffers for p in sorted(x.seen)]}

    def clear(self):
        self.log()
        self.talk.records.clear()
        for x in self.sniffers:
            x.seen.clear()

    def sniff(self, places):
        """At these places from now on, or at none: they would drown in a transfer."""
        for x in self.sniffers:
            self.talk.selector.unregister(x.s)
            x.s.close()
        self.sniffers = []
        for place in places:
            with self.spaces.within(place):
                self.sniffers.append(Sniffer(self.talk, place))

    def listen(self, place, proto, address, port, group=None, dev=None):
        """One more; GROUP: a multicast group to join on DEV."""
        with self.spaces.within(place):
            s = net.listener(proto, address, port)
            if group and ":" in group:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", socket.if_nametoindex(dev)))
            elif group:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + struct.pack("=4si", bytes(4), socket.if_nametoindex(dev)))
        self.talk.add(s, proto, place)

    def where(self):
        return {name: self.spaces.path(name) for name in NAMES}

    OPS = {"log": log, "clear": clear, "sniff": sniff, "listen": listen, "where": where}


def run(path):
    parent = os.getppid()
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    world = World(path)
    if os.getppid() != parent:
        return
    print("world is up", flush=True)
    while True:
        world.talk.turn(None)


def ask(path, question):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(30)
        s.connect(path)
        s.sendall(question.encode() + b"\n")
        return s.makefile("r").read()


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2])
    else:
        print(ask(sys.argv[2], sys.argv[3]))
