#!/usr/bin/python3 -B
"""Logins by paramiko that ssh(1) cannot make: paramiko_auth.py HOST PORT KEY SCRATCH"""
import logging
import socket
import sys

import paramiko

from results import ok

logging.disable(logging.CRITICAL)
host, port, key, scratch = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def transport(source):
    t = paramiko.Transport(socket.create_connection((host, port), 10, (source, 0)))
    t.start_client(timeout=10)
    return t


t = transport("127.0.6.1")
tries = 0
try:
    for _ in range(6):
        try:
            t.auth_password("eve", "wrong horse", fallback=False)
        except paramiko.AuthenticationException as e:
            if not t.is_active():
                break
            tries += 1
except (paramiko.SSHException, EOFError, OSError):
    pass
ok(tries <= 3, f"at most three passwords a connection ({tries} answered)")
t.close()

t = transport("127.0.6.2")
try:
    t.open_session(timeout=5)
    ok(False, "no channel before login")
except (paramiko.SSHException, EOFError, OSError):
    ok(True, "no channel before login")
t.close()

t = transport("127.0.6.3")
try:
    t.auth_none("alice")
    ok(False, "'none' logs nobody in")
except paramiko.BadAuthenticationType as e:
    ok("publickey" in e.allowed_types, f"'none' logs nobody in; offered: {' '.join(e.allowed_types)}")
except (paramiko.SSHException, EOFError, OSError) as e:
    ok(False, f"'none' is answered with a list of methods ({e!r})")
t.close()

# A name that changes between tries must not keep what an earlier one earned.
t = transport("127.0.6.4")
good = paramiko.Ed25519Key.from_private_key_file(key)
for account in ("bob", "alice"):
    try:
        t.auth_publickey(account, good)
        ok(account == "alice", f"alice's key for {account}")
    except (paramiko.SSHException, EOFError, OSError) as e:
        ok(account == "bob" or not t.is_active(), f"alice's key for {account} is refused ({type(e).__name__})")
t.close()

t = transport("127.0.6.5")
t.auth_publickey("alice", good)
channels = []
said = ""
try:
    for _ in range(15):
        channels.append(t.open_session(timeout=5))
except (paramiko.SSHException, EOFError, OSError) as e:
    said = str(e)
ok(len(channels) == 10, f"ten channels a connection ({len(channels)}; {said})")
ok(t.is_active(), "the eleventh is refused, the connection lives")
t.close()
