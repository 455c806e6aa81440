#!/usr/bin/python3 -B
"""strict_kex.py HOST PORT: what the server offers, and whether it holds a client that promised strict key exchange to it: nothing but the
exchange itself before its end.  (libssh notes what came too much and ends the connection when the keys are to be taken.)  Prints lines "ok ..." and "not ok ..."."""
import os
import socket
import struct
import sys

KEXINIT, NEWKEYS, IGNORE, DISCONNECT, ECDH_INIT, UNIMPLEMENTED = 20, 21, 2, 1, 30, 3
STRICT = "kex-strict-c-v00@openssh.com"


def string(x):
    return struct.pack(">I", len(x)) + x


def packet(payload):
    pad = 8 - (5 + len(payload)) % 8
    pad += 8 if pad < 4 else 0
    return struct.pack(">IB", len(payload) + pad + 1, pad) + payload + bytes(pad)


def kexinit(kex, compression="none"):
    lists = (kex, "ssh-ed25519", "aes256-ctr", "aes256-ctr", "hmac-sha2-256", "hmac-sha2-256", compression, compression, "", "")
    return bytes((KEXINIT,)) + os.urandom(16) + b"".join(string(x.encode()) for x in lists) + bytes(5)


class Client:
    def __init__(self):
        self.s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
        self.f = self.s.makefile("rb")
        self.s.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        self.f.readline()

    def send(self, *payloads):
        self.s.sendall(b"".join(packet(p) for p in payloads))

    def packet(self):
        """The next payload; b"" at the end."""
        try:
            head = self.f.read(5)
            if len(head) < 5:
                return b""
            size, pad = struct.unpack(">IB", head)
            return self.f.read(size - 1)[:size - 1 - pad]
        except OSError:
            return b""

    def goes_on(self):
        """Whether the server takes new keys after ours, and waits for what comes under them."""
        while p := self.packet():
            if p[0] == DISCONNECT:
                return False
            if p[0] == NEWKEYS:
                break
        else:
            return False
        self.s.settimeout(1.5)
        try:
            self.send(bytes((NEWKEYS,)))
            while self.s.recv(4096):     # what it says at its end is encrypted already
                pass
            return False
        except TimeoutError:
            return True
        except OSError:
            return False


def offered():
    p, lists = Client().packet(), []
    at = 17
    while len(lists) < 10:
        size = struct.unpack(">I", p[at:at + 4])[0]
        lists.append(p[at + 4:at + 4 + size].decode().split(","))
        at += 4 + size
    return lists


def exchange(kex, before=(), between=(), compression="none"):
    c = Client()
    init = bytes((ECDH_INIT,)) + string(b"\x09" + bytes(31))
    try:
        c.send(*before, kexinit(kex, compression), *between, init)
    except OSError:
        return False
    return c.goes_on()


def say(good, text):
    print(("ok " if good else "not ok ") + text)


lists = offered()
say("kex-strict-s-v00@openssh.com" in lists[0], "strict key exchange is offered")
say(lists[6] == ["none"] and lists[7] == ["none"], f"no compression is ({','.join(lists[6])})")
plain, ignore, unimplemented = "curve25519-sha256", bytes((IGNORE,)) + string(b"x"), struct.pack(">BI", UNIMPLEMENTED, 0)
say(exchange(plain), "an exchange without it goes on")
say(exchange(plain, between=[ignore]), "with a message between as well")
say(exchange(f"{plain},{STRICT}"), "one with it goes on")
say(not exchange(f"{plain},{STRICT}", between=[ignore]), "but not with a message between")
say(not exchange(f"{plain},{STRICT}", between=[unimplemented]), "nor another")
say(not exchange(f"{plain},{STRICT}", before=[ignore]), "nor with one in front")
for name in ("zlib", "zlib@openssh.com"):
    say(not exchange(plain, compression=name), f"a client that wants {name} alone gets nothing")
