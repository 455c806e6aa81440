#!/usr/bin/python3
"""What strangers do: strangers.py WHAT HOST PORT FROM [ARGUMENT...]"""
import socket
import sys
import time
import warnings

warnings.simplefilter("ignore")


def connect(host, port, source):
    return socket.create_connection((host, port), 20, (source, 0))


def leave(host, port, source, times):
    """Connections that say nothing and go."""
    for _ in range(int(times)):
        s = connect(host, port, source)
        s.recv(100)
        s.close()


def hold(host, port, source, times, seconds):
    """Connections that say nothing and stay; "held" when they are there."""
    held = [connect(host, port, source) for _ in range(int(times))]
    print("held", sum(1 for s in held if s.recv(9) == b"SSH-2.0-h"), flush=True)
    time.sleep(float(seconds))


def signed(host, port, source, account, key, times):
    """Logins with a key that was not offered before and is not the account's."""
    import paramiko
    for _ in range(int(times)):
        t = paramiko.Transport(connect(host, port, source))
        try:
            t.start_client(timeout=20)
            t.auth_publickey(account, paramiko.Ed25519Key.from_private_key_file(key))
        except paramiko.SSHException as e:
            print(e)
        t.close()


def channels(host, port, source, account, key, most):
    """How many of MOST + 1 sessions open on one connection."""
    import paramiko
    t = paramiko.Transport(connect(host, port, source))
    t.start_client(timeout=20)
    t.auth_publickey(account, paramiko.Ed25519Key.from_private_key_file(key))
    opened = []
    for _ in range(int(most) + 1):
        try:
            opened.append(t.open_session())
        except paramiko.ChannelException:
            pass
    print(len(opened))
    for c in opened:
        c.close()
    time.sleep(0.5)
    print("again" if t.open_session() else "")
    t.close()


def check(host, port, source, account, key, path, times):
    """Digests by check-file, until one is refused."""
    import paramiko
    t = paramiko.Transport(connect(host, port, source))
    t.start_client(timeout=20)
    t.auth_publickey(account, paramiko.Ed25519Key.from_private_key_file(key))
    f = paramiko.SFTPClient.from_transport(t).open(path)
    for i in range(int(times)):
        try:
            print(f.check("sha256").hex())
        except IOError as e:
            print("refused:", e)
    t.close()


def raw(host, port, source):
    """All that one who says nothing is sent, and whether it ends well."""
    s = connect(host, port, source)
    got = b""
    while part := s.recv(4096):
        got += part
    print(got)


def flood(host, port, source, times):
    """Connections as fast as they go, each read to its end."""
    begun, refused = time.monotonic(), 0
    for _ in range(int(times)):
        s = connect(host, port, source)
        s.send(b"SSH-2.0-flood\r\n")
        try:
            refused += b"retry after" in s.recv(400)
        except ConnectionResetError:
            pass
        s.close()
    print(refused, f"{time.monotonic() - begun:.1f}")


what, host, port, source, *rest = sys.argv[1:]
globals()[what](host, int(port), source, *rest)
