#!/usr/bin/python3 -B
"""Tries to reach addresses.  net_try.py [-s SOURCE] KIND,ADDRESS,PORT...: a line each, "KIND,ADDRESS,PORT VERDICT DETAIL".

VERDICT: reached (DETAIL: what the other side says it sees), refused (at once, by an answer), silent (no answer in a second, twice).
KIND: tcp, udp, or ping (then no port).  The other side is net_serve.py."""
import os
import socket
import struct
import sys
import time

QUIET = 1.0


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def stream(address, port, source):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(QUIET)
    if source:
        s.bind((source, 0))
    s.connect((address, port))
    return s.recv(100).decode()


def datagram(address, port, source):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(QUIET)
    if source:
        s.bind((source, 0))
    s.connect((address, port))
    s.send(b"hello")
    return s.recv(100).decode()


def echo(address, _port, source):
    six = ":" in address
    s = socket.socket(family(address), socket.SOCK_RAW, 58 if six else 1)
    s.settimeout(QUIET)
    s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 25 if six else 11, 1)      # RECVERR
    if source:
        s.bind((source, 0))
    s.connect((address, 0))
    packet = bytearray(struct.pack("!BBHHH", 128 if six else 8, 0, 0, os.getpid() & 0xffff, 1))
    if not six:
        total = sum(struct.unpack("!4H", packet))
        total = (total >> 16) + (total & 0xffff)
        packet[2:4] = struct.pack("!H", ~total & 0xffff)
    s.send(packet)
    while True:
        got = s.recv(200)
        kind = got[0] if six else got[(got[0] & 15) * 4]
        if kind == (129 if six else 0):
            return "echo"


KINDS = {"tcp": stream, "udp": datagram, "ping": echo}
source, words = None, sys.argv[1:]
if words[0] == "-s":
    source, words = words[1], words[2:]
for word in words:
    kind, address, *port = word.split(",")
    for pause in (1.2, 0):
        began = time.monotonic()
        try:
            print(word, "reached", KINDS[kind](address, int(port[0]) if port else 0, source))
            break
        except OSError as e:
            if time.monotonic() - began < 0.9:
                print(word, "refused", e.strerror)
                break
            # Twice: the kernel sends one host six ICMP errors at once, then one a second; and a busy machine may take a second for anything.
            if pause == 0:
                print(word, "silent", *filter(None, [e.strerror]))
            time.sleep(pause)
