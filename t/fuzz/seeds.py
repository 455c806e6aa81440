#!/usr/bin/python3 -B
"""seeds.py TOP FOLDER: what the targets of t/fuzz start from, a folder each."""
import base64
import os
import random
import struct
import sys

TOP, FOLDER = sys.argv[1:]
numbers = {}


def put(target, data):
    os.makedirs(f"{FOLDER}/{target}", exist_ok=True)
    numbers[target] = numbers.get(target, 0) + 1
    with open(f"{FOLDER}/{target}/{numbers[target]}", "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def string(x):
    x = x.encode() if isinstance(x, str) else x
    return struct.pack(">I", len(x)) + x


def line(kind, *fields, label="label"):
    return f"{kind} {base64.b64encode(b''.join(string(f) for f in (kind, *fields))).decode()} {label}\n"


ED = line("ssh-ed25519", bytes(32))
KEYS = (ED, line("ecdsa-sha2-nistp256", "nistp256", b"\x04" + bytes(64)), line("ecdsa-sha2-nistp521", "nistp521", b"\x04" + bytes(132)),
        line("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 384), line("sk-ssh-ed25519@openssh.com", bytes(32), "ssh:"),
        line("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", b"\x04" + bytes(64), "ssh:"))
OPTIONS = ('from="192.0.2.0/24,!192.0.2.7",expiry-time="20300101" ', "restrict,command=\"status one\" ", 'principals="a,b",cert-authority ',
           "no-touch-required,verify-required ", 'command="a\\"b" ')


def keys():
    for k in KEYS:
        put("keys", k)
    put("keys", "".join(KEYS))
    put("keys", "# comment\r\n\r\n" + ED.replace("\n", "\r\n"))
    for o in OPTIONS:
        put("keys", o + ED)
    put("keys", ED * 2)


def ini():
    with open(f"{TOP}/etc/holdfast.ini") as f:
        daemon = f.read()
    account = f"[account alice]\nkey = {ED}password = yes\nmax_connections = 3\nsuspended = no\n[account bob]\nkeys_file = keys\n"
    server = ("[server one]\nowner = alice\ncommand = ./run 'a b' \"c; d\" ; comment\ndisk = 64M\nport = 31001/udp\nallow = bob: status logs\n"
              "memory = 1G\ncpu = 50%\nstop = signal:TERM\nready = line:done\nseccomp = +ptrace -bpf\ndeny = *.key\nlink = two\n[server two]\n"
              "owner = bob\ncommand = ./x\nenv = A=b\n")
    roles = "[ids]\nstore = 901\nshim = 902\nimage = 903\nfilter = 904\n"
    for a, s, d in ((account, server, roles), ("", "", daemon), (account, server, daemon), ("\ufeff" + account, server * 2, "key = value\n"),
                    ("[account " + "x" * 60 + "]\n", "[server]\n", "[limits]\nlogin_grace = 99999999999999999999s\n"),
                    (account + "key = " + "A" * 300 + "\n", server.replace("\n", "\r\n"), "[]\n[ ]\n= 1\n")):
        put("ini", b"\xff".join(x.encode() for x in (a, s, d, "".join(KEYS))))


def sized(text):
    return bytes((len(text),)) + text.encode()


def text():
    for one in ("C0644 12 file", "D0755 0 folder", "E", "T1700000000 0 1700000001 0", "C0644 9223372036854775807 x", "C0777 1 ../x"):
        put("text", b"\0" + one.encode())
    for pattern, name in (("*.txt", "a.txt"), ("a\\*b", "a*b"), ("[!a-c]?*", "xyz"), ("[]-]x", "-x"), ("*" * 30 + "b", "a" * 60), ("[", "[")):
        put("text", b"\1" + sized(pattern) + name.encode())
    plain = ("--server", "--sender", "-vlogDtpre.iLsfxCIvu", "--delete-during", "--partial", "--", ".", "/one/x")
    put("text", b"\2\0\1" + b"".join(sized(w) for w in plain))
    put("text", b"\2\1\0" + b"".join(sized(w) for w in ("--server", "-slogDtpre.iLsfxCIvu", ".", "x", "--bwlimit=1", "--log-file=x", ".", "y/")))
    for patterns, path in ((("*.key", "secret"), "a/b.key"), (("a/*/c",), "a/b/c/d"), (("[a-z]*/x?",), "../q/xy")):
        put("text", b"\3" + bytes((len(patterns),)) + b"".join(sized(p) for p in patterns) + path.encode())

    for out in (b"\033[1;31mred\033[0m\033]0;t\007x\n", b"\033]52;c;eA==\033\\\033P$qm\033\\a\xc2\x9b6n\xe2\x80\xae", b"\033[?1049h\xe2\x82\xac\xff\033[3"):
        put("text", b"\4\2" + out)


def supplies():
    """Those that choose by bytes: any will do, small ones are mostly well-formed."""
    dice = random.Random(7)
    for target, count, least, most in (("msg", 20, 8, 200), ("orders", 40, 20, 120), ("store", 80, 40, 400), ("sandbox", 60, 20, 300)):
        for number in range(count):
            top = (40, 200, 240, 256)[number % 4]
            put(target, bytes(dice.randrange(top) for _ in range(dice.randrange(least, most))))


def policies():
    for name in sorted(os.listdir(f"{TOP}/etc/seccomp")):
        with open(f"{TOP}/etc/seccomp/{name}") as f:
            put("policyc", f.read()[:8000])
    put("policyc", "default kill\nallow read arg0 == 1 and arg1 & 0xff == O_RDONLY # x\nerrno EPERM write arg2 >= 5 # y\n")
    put("policyc", "default errno ENOSYS\ninclude fuzz.policy\n")


for make in (keys, ini, text, supplies, policies):
    make()
