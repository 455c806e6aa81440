"""Two hardware keys on one connection: a valid, touched signature of a key that is nobody's, then one without a touch of a key of alice's."""
import hashlib
import os
import struct
import sys

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

host, port, folder = sys.argv[1:]
TYPE = "sk-ssh-ed25519@openssh.com"


def string(b):
    b = b.encode() if isinstance(b, str) else b
    return struct.pack(">I", len(b)) + b


def take(b):
    n = struct.unpack(">I", b[:4])[0]
    return b[4:4 + n], b[4 + n:]


def private_key(path):
    """The handle in OpenSSH's file, which is the key of t/lib/sk.c."""
    import base64
    text = [line for line in open(path).read().splitlines() if "-----" not in line]
    b = base64.b64decode("".join(text))[len("openssh-key-v1\0"):]
    for _ in range(3):
        _, b = take(b)
    b = b[4:]
    _, b = take(b)
    inner, _ = take(b)
    inner = inner[8:]
    _, inner = take(inner)
    public, inner = take(inner)
    application, inner = take(inner)
    handle, _ = take(inner[1:])
    return public, application, Ed25519PrivateKey.from_private_bytes(handle)


class Hardware(paramiko.PKey):
    public_blob = None

    def __init__(self, public, application, key, flags):
        self.public, self.application, self.key, self.flags = public, application, key, flags

    def asbytes(self):
        return string(TYPE) + string(self.public) + string(self.application)

    def get_name(self):
        return TYPE

    def can_sign(self):
        return True

    def sign_ssh_data(self, data, algorithm=None):
        tail = struct.pack(">BI", self.flags, 9)
        signed = self.key.sign(hashlib.sha256(self.application).digest() + tail + hashlib.sha256(data).digest())
        m = paramiko.Message()
        m.add_bytes(string(TYPE) + string(signed) + tail)
        return m


paramiko.Transport._preferred_pubkeys = (TYPE,)
paramiko.Transport._preferred_keys = ("ssh-ed25519",)
stranger = Ed25519PrivateKey.generate()
first = Hardware(stranger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), b"ssh:", stranger, 5)
public, application, key = private_key(os.path.join(folder, "ed25519"))


def attempt(keys):
    t = paramiko.Transport((host, int(port)))
    t.start_client(timeout=30)
    for k in keys:
        try:
            t.auth_publickey("alice", k)
        except (paramiko.SSHException, EOFError):
            pass
    inside = t.is_authenticated()
    t.close()
    return inside


# The other way round, to see that this client can get in at all.
if not attempt([first, Hardware(public, application, key, 1)]):
    print("the client does not work")
elif attempt([first, Hardware(public, application, key, 0)]):
    print("let in")
else:
    print("denied")
