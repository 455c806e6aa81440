#!/usr/bin/python3 -B
"""Asks a Teeworlds 0.7 server for its name: teeworlds.py ADDRESS PORT [SECONDS].  Prints NAME<tab>MAP; exits 1 without an answer."""
import os
import socket
import sys
import time

address, port = sys.argv[1], int(sys.argv[2])
deadline = time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 5)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.3)
mine = os.urandom(4)
while time.monotonic() < deadline:
    try:
        # A token first (the long packet shows we do not amplify), then the question in a connectionless packet.
        s.sendto(b"\x04\x00\x00" + b"\xff" * 4 + b"\x05" + mine + b"\0" * 512, (address, port))
        token = s.recv(2048)[8:12]
        s.sendto(b"\x21" + token + mine + b"\xff\xff\xff\xffgie3\x05", (address, port))
        answer = s.recv(2048)
        at = answer.index(b"inf3") + 5
        words = answer[at:].split(b"\0")
        print(words[1].decode(), words[3].decode(), sep="\t")
        sys.exit(0)
    except (TimeoutError, ConnectionError, ValueError, IndexError):
        time.sleep(0.1)
    except OSError:
        time.sleep(0.1)
sys.exit(1)
