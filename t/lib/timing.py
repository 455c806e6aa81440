#!/usr/bin/python3 -B
"""How long a wrong password, and an offered key, takes for accounts of each kind: timing.py HOST PORT PASSWORD ROUNDS KEY_ROUNDS

Kinds are interleaved in an order that changes each round, so what else the machine does falls on all of them alike.  Two samples are called the same
when Mann-Whitney's U is within 4 standard deviations, or when their medians differ by less than half of the spread between quartiles, the larger one of
the two: a dummy hash that is left out is off by fifty times that."""
import logging
import random
import socket
import statistics
import sys
import time

import paramiko

from results import ok

logging.disable(logging.CRITICAL)
host, port, password, rounds, key_rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
KINDS = {"a known account": "known", "an unknown one": "nobodyhere", "one without a password": "bare", "one that may not have one": "never",
         "a suspended one": "gone", "one with a second factor": "factor"}
TRIES = 12
if rounds < 20:
    sys.exit("fewer than 20 rounds cannot tell: not even samples that nowhere overlap are 4 standard deviations apart")
connections = 0


def connect():
    global connections
    connections += 1
    s = socket.create_connection((host, port), 20, (f"127.0.{40 + connections // 200}.{1 + connections % 200}", 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    t = paramiko.Transport(s)
    t.start_client(timeout=30)
    t.auth_timeout = 60
    return t


def timed(fn):
    then = time.perf_counter()
    try:
        fn()
    except paramiko.AuthenticationException:
        return time.perf_counter() - then
    raise SystemExit("somebody is in")


def sample(count, one):
    """Seconds by kind; each connection carries one round or two."""
    taken = {k: [] for k in KINDS}
    t, left = None, 0
    for _ in range(count):
        order = list(KINDS)
        random.shuffle(order)
        if left < len(order):
            if t:
                t.close()
            t, left = connect(), TRIES
        for kind in order:
            left -= 1
            taken[kind].append(timed(lambda: one(t, KINDS[kind])))
    t.close()
    return taken


def quartiles(a):
    q = statistics.quantiles(a, n=4)
    return q[2] - q[0]


def z(a, b):
    """Mann-Whitney's U as standard deviations from what equal samples give."""
    u = sum((x > y) + (x == y) / 2 for x in a for y in b)
    n, m = len(a), len(b)
    return (u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5


def compare(what, taken):
    base = taken["a known account"]
    for kind, a in taken.items():
        difference, spread, score = statistics.median(a) - statistics.median(base), max(quartiles(a), quartiles(base)), z(a, base)
        print(f"# {what}, {kind}: median {statistics.median(a) * 1000:.2f} ms, quartiles {quartiles(a) * 1000:.2f} ms apart, "
              f"difference {difference * 1000:+.2f} ms, z {score:+.1f}", flush=True)
        if a is not base:
            ok(abs(score) < 4 or abs(difference) < spread / 2, f"{what}: {kind} takes as long as a known one", (difference, spread, score))


compare("a wrong password", sample(rounds, lambda t, who: t.auth_password(who, password, fallback=False)))
stranger = paramiko.ECDSAKey.generate()
if key_rounds:
    # A login with it, as paramiko has no bare offer: the signature is made and checked for every kind alike.
    compare("a stranger's key", sample(key_rounds, lambda t, who: t.auth_publickey(who, stranger)))
