#!/usr/bin/python3 -B
"""SFTP in raw packets, by paramiko's SSH or over pipes.

sftp_raw.py put HOST PORT KEY FOLDER REMOTE    each file of FOLDER, whatever its name
sftp_raw.py beside HOST PORT KEY               a long digest and short commands on one connection; prints results
"""
import os
import struct
import sys
import time

(INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME,
 READLINK, SYMLINK) = range(1, 21)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201
R, W, APPEND, CREAT, TRUNC, EXCL = 1, 2, 4, 8, 16, 32
NO_ATTRS = struct.pack(">I", 0)


def s(x):
    x = x.encode() if isinstance(x, str) else x
    return struct.pack(">I", len(x)) + x


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, n):
        got, self.data = self.data[:n], self.data[n:]
        assert len(got) == n, "answer cut short"
        return got

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def s(self):
        return self.take(self.u32())

    def attrs(self):
        flags, a = self.u32(), {}
        if flags & 1:
            a["size"] = self.u64()
        if flags & 2:
            a["uid"], a["gid"] = self.u32(), self.u32()
        if flags & 4:
            a["mode"] = self.u32()
        if flags & 8:
            a["atime"], a["mtime"] = self.u32(), self.u32()
        return a


class Raw:
    """SEND and RECEIVE are a stream's; requests and answers as (type, rest)."""

    def __init__(self, send, receive):
        self.send, self.receive = send, receive
        self.id = 0
        self.answers = {}
        self.send(struct.pack(">IBI", 5, INIT, 3))
        r = Reader(self.packet()[5:])
        self.extensions = {}
        while r.data:
            name = r.s().decode()
            self.extensions[name] = r.s().decode()

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.receive(min(n - len(data), 65536))
            if not more:
                raise EOFError("the server has gone")
            data += more
        return data

    def packet(self):
        return self.exactly(struct.unpack(">I", self.exactly(4))[0])

    def post(self, kind, *fields):
        self.id += 1
        body = struct.pack(">BI", kind, self.id) + b"".join(fields)
        self.send(struct.pack(">I", len(body)) + body)
        return self.id

    def wait(self, ident):
        while ident not in self.answers:
            p = self.packet()
            self.answers[struct.unpack(">I", p[1:5])[0]] = (p[0], Reader(p[5:]))
        return self.answers.pop(ident)

    def ask(self, kind, *fields):
        return self.wait(self.post(kind, *fields))

    def status(self, kind, *fields):
        """The status, and the words; None for another kind of answer."""
        kind, r = self.ask(kind, *fields)
        return (r.u32(), r.s().decode()) if kind == STATUS else (None, kind)

    def extended(self, name, *fields):
        return self.ask(EXTENDED, s(name), *fields)

    def open(self, path, flags, attrs=NO_ATTRS):
        kind, r = self.ask(OPEN, s(path), u32(flags), attrs)
        if kind != HANDLE:
            raise OSError(r.u32(), r.s().decode())
        return r.s()

    def close(self, handle):
        return self.status(CLOSE, s(handle))[0]

    def write(self, path, data, flags=W | CREAT | TRUNC):
        h = self.open(path, flags)
        for at in range(0, len(data), 32768):
            code, text = self.status(WRITE, s(h), u64(at), s(data[at:at + 32768]))
            if code:
                raise OSError(code, text)
        self.close(h)

    def read(self, path):
        h, data = self.open(path, R), b""
        while True:
            kind, r = self.ask(READ, s(h), u64(len(data)), u32(32768))
            if kind != DATA:
                break
            data += r.s()
        self.close(h)
        return data


def connect(host, port, key, user="alice"):
    import paramiko      # not where the stream is OpenSSH's: some machines lack it
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(host, int(port), user, key_filename=key, allow_agent=False, look_for_keys=False, timeout=20)
    return client


def subsystem(client):
    channel = client.get_transport().open_session()
    channel.invoke_subsystem("sftp")
    channel.settimeout(60)
    return Raw(channel.sendall, channel.recv)


def put(host, port, key, folder, remote):
    client = connect(host, port, key)
    raw = subsystem(client)
    for name in os.listdir(os.fsencode(folder)):
        path = os.path.join(os.fsencode(folder), name)
        if os.path.isfile(path):
            with open(path, "rb") as f:
                raw.write(remote.encode() + b"/" + name, f.read())
    client.close()


def beside(host, port, key):
    client = connect(host, port, key)
    raw = subsystem(client)
    size = 6 << 30
    assert raw.status(SETSTAT, s("/one/hole"), u32(1), u64(size))[0] == 0
    start = time.monotonic()
    _, long_out, _ = client.exec_command("sha512sum /one/hole", timeout=120)
    slowest = 0
    for _ in range(20):
        before = time.monotonic()
        _, out, _ = client.exec_command("echo hello", timeout=60)
        assert out.read() == b"hello\n"
        assert raw.ask(STAT, s("/one/small"))[0] == ATTRS
        slowest = max(slowest, time.monotonic() - before)
    print(f"{'ok' if not long_out.channel.exit_status_ready() else 'not ok'} the long one is still at work")
    print(f"{'ok' if slowest < 2 else 'not ok'} commands and requests are answered meanwhile")
    long_out.channel.close()
    print(f"# slowest {slowest * 1000:.0f} ms")
    before = time.monotonic()
    _, out, _ = client.exec_command("echo bye", timeout=60)
    print(f"{'ok' if out.read() == b'bye' + bytes([10]) and time.monotonic() - before < 2 else 'not ok'} a closed channel ends it")
    assert raw.status(REMOVE, s("/one/hole"))[0] == 0
    client.close()
    print(f"# {time.monotonic() - start:.1f} s in all")


if __name__ == "__main__":
    {"put": put, "beside": beside}[sys.argv[1]](*sys.argv[2:])
