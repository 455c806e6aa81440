#!/usr/bin/python3 -B
"""Second factors by paramiko, also as no client should: paramiko_totp.py HOST PORT KEY ACCOUNT RECOVERY...; each try comes from an address of its own"""
import logging
import socket
import struct
import sys
import time

import paramiko
from paramiko.common import cMSG_USERAUTH_INFO_RESPONSE, cMSG_USERAUTH_REQUEST

from results import ok

logging.disable(logging.CRITICAL)
host, port, key, account = sys.argv[1], int(sys.argv[2]), paramiko.Ed25519Key.from_private_key_file(sys.argv[3]), sys.argv[4]
recovery = sys.argv[5:]
GONE = (paramiko.SSHException, EOFError, OSError)
count = 0


def transport():
    global count
    count += 1
    t = paramiko.Transport(socket.create_connection((host, port), 20, (f"127.0.30.{count}", 0)))
    t.start_client(timeout=20)
    t.auth_timeout = 20
    return t


def first():
    t = transport()
    left = t.auth_publickey(account, key)
    if left != ["keyboard-interactive"]:
        ok(False, "keyboard-interactive alone is left after the key", left)
    return t


def interactive(t, answers, user=account, seen=None):
    def handler(title, instructions, prompts):
        if seen is not None:
            seen.append((title, instructions, prompts))
        return answers
    try:
        return "in" if t.auth_interactive(user, handler) == [] else "partial"
    except paramiko.BadAuthenticationType:
        return "not offered"
    except paramiko.AuthenticationException:
        return "denied" if t.is_active() else "gone"
    except GONE:
        return "gone"


def raw(t, kind, *parts):
    """False: the server has hung up, as it may on who breaks the rules."""
    m = paramiko.Message()
    m.add_byte(kind)
    for p in parts:
        m.add_int(p) if isinstance(p, int) else m.add_string(p)
    try:
        t._send_message(m)
    except GONE:
        return False
    return True


def alive(t, seconds=0.7):
    end = time.monotonic() + seconds
    while t.is_active() and time.monotonic() < end:
        time.sleep(0.05)
    return t.is_active()


def in_at_all(t):
    try:
        t.open_session(timeout=3).close()
        return True
    except GONE:
        return False


t, seen = first(), []
ok(not in_at_all(t), "no channel with the key alone")
t.close()

t = first()
ok(interactive(t, ["000000"], seen=seen) == "denied", "a wrong code is denied")
ok(seen == [("", "", [("Verification code: ", False)])], "one prompt, not echoed, that names nobody", seen)
ok(interactive(t, [recovery[0]]) == "in" and in_at_all(t), "a right one after it is in")
ok("9 recovery codes left" in (t.get_banner() or b"").decode(), "and told how many are left", t.get_banner())
t.close()

t = transport()
ok(interactive(t, [recovery[1]]) == "not offered", "keyboard-interactive before the key is not offered")
ok(not in_at_all(t), "nor taken")
t.close()
answers = []
for who in (account, "alice", "nobodyhere"):
    t = transport()
    try:
        t.auth_none(who)
    except paramiko.BadAuthenticationType as e:
        answers.append(sorted(e.allowed_types))
    except GONE as e:
        answers.append(repr(e))
    t.close()
ok(answers == [["password", "publickey"]] * 3, "what is offered tells nothing about an account", answers)

t = first()
ok(interactive(t, [recovery[1]], user="alice") != "in" and not in_at_all(t), "the key of one account and a code for another")
t.close()
t = first()
try:
    t.auth_publickey(account, key)
    ok(False, "the key again instead of a code")
except GONE:
    ok(not in_at_all(t), "the key again instead of a code")
t.close()
t = first()
try:
    t.auth_password("alice", "whatever1234")
    ok(False, "a password instead of a code")
except GONE:
    ok(not in_at_all(t), "a password instead of a code")
t.close()

for words, answer in (("no answer", []), ("two answers", [recovery[1], recovery[2]]), ("a hundred answers", [recovery[1]] * 100),
                      ("an answer of 30,000 bytes", ["9" * 30000]), ("an empty answer", [""]), ("an answer with a NUL", ["000000\0" + recovery[1]])):
    t = first()
    got = interactive(t, answer)
    ok(got in ("denied", "gone") and not in_at_all(t), f"{words} is no code ({got})")
    t.close()

# Without waiting for a prompt; more answers than prompts; numbers that lie.
t = first()
raw(t, cMSG_USERAUTH_INFO_RESPONSE, 1, recovery[1])
alive(t)
ok(not in_at_all(t), "an answer nobody asked for")
t.close()
t = first()
raw(t, cMSG_USERAUTH_REQUEST, account, "ssh-connection", "keyboard-interactive", "", "")
raw(t, cMSG_USERAUTH_INFO_RESPONSE, 1, "000000")
raw(t, cMSG_USERAUTH_INFO_RESPONSE, 1, recovery[1])
alive(t)
ok(not in_at_all(t), "a second answer to one prompt is not looked at")
t.close()
for n, words in ((0xffffffff, "four thousand million answers announced"), (257, "257 announced"), (2, "two announced, one sent")):
    t = first()
    raw(t, cMSG_USERAUTH_REQUEST, account, "ssh-connection", "keyboard-interactive", "", "")
    raw(t, cMSG_USERAUTH_INFO_RESPONSE, n, recovery[1])
    alive(t)
    ok(not in_at_all(t), words)
    t.close()
t = first()
for _ in range(200):
    if not (raw(t, cMSG_USERAUTH_REQUEST, account, "ssh-connection", "keyboard-interactive", "", "") and
            raw(t, cMSG_USERAUTH_INFO_RESPONSE, 1, "123123")):
        break
ok(not alive(t, 10), "a flood of codes ends the connection")
t.close()
sys.exit(0)
