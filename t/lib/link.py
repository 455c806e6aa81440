"""Speaks the messages between processes (base/msg.h), so that a test can play any role against a real program: one SOCK_SEQPACKET
datagram each, a header of type, flags, descriptors and id, then typed fields."""
import array
import socket
import struct

MOST = 64 * 1024


class U64(int):
    """An integer that is sent as u64; a plain int goes as u32."""


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def field(v):
    if isinstance(v, U64):
        return b"\x02" + struct.pack(">Q", v)
    if isinstance(v, int):
        return b"\x01" + struct.pack(">I", v)
    if isinstance(v, str):
        v = v.encode(errors="surrogateescape")
    return b"\x03" + struct.pack(">I", len(v)) + v


def frame(kind, *fields, id=0, fds=0):
    return struct.pack(">HBBI", kind, 0, fds, id) + b"".join(field(f) for f in fields)


class Message:
    def __init__(self, data, fds):
        self.kind, _, self.count, self.id = struct.unpack(">HBBI", data[:8])
        self.fds = fds
        self.fields = []
        at = 8
        while at < len(data):
            tag = data[at]
            if tag == 1:
                self.fields.append(struct.unpack_from(">I", data, at + 1)[0])
                at += 5
            elif tag == 2:
                self.fields.append(struct.unpack_from(">Q", data, at + 1)[0])
                at += 9
            else:
                n = struct.unpack_from(">I", data, at + 1)[0]
                self.fields.append(data[at + 5:at + 5 + n].decode(errors="surrogateescape"))
                at += 5 + n

    def __repr__(self):
        return f"<{self.kind:#x} id={self.id} {self.fields} fds={self.fds}>"


class Link:
    """One end.  recv() gives a Message, None at the end; a test that waits longer than `patience` fails with socket.timeout."""
    def __init__(self, sock, patience=10):
        self.sock = sock
        sock.settimeout(patience)
        self.last = 0

    def send(self, kind, *fields, id=0, fds=()):
        self.raw(frame(kind, *fields, id=id, fds=len(fds)), fds)

    def raw(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([data], rights)

    def ask(self, kind, *fields, fds=()):
        self.last += 1
        self.send(kind, *fields, id=self.last, fds=fds)
        return self.last

    def recv(self):
        try:
            data, rights, _, _ = self.sock.recvmsg(MOST, socket.CMSG_SPACE(8 * 4))
        except ConnectionResetError:
            return None
        fds = []
        for level, kind, value in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds += array.array("i", value[:len(value) - len(value) % 4]).tolist()
        return Message(data, fds) if data or fds else None

    def close(self):
        self.sock.close()
