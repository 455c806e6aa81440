#!/usr/bin/python3 -B
"""What an authenticator shows for a secret in base32: totp_code.py SECRET [STEPS from now]"""
import base64
import hashlib
import hmac
import struct
import sys
import time


def code(secret, steps=0):
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30 + steps), hashlib.sha1).digest()
    return "%06d" % ((struct.unpack_from(">I", mac, mac[19] & 15)[0] & 0x7fffffff) % 1000000)


if __name__ == "__main__":
    print(code(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
