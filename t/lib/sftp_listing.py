#!/usr/bin/python3 -B
"""Listings that the worker is ahead of.  sftp_listing.py HOST PORT KEY: two directories of /one, `many` of 3000 files and `few` of 5."""
import sys

from results import ok
from sftp_raw import CLOSE, HANDLE, NAME, OPENDIR, READDIR, REMOVE, STATUS, connect, s, subsystem

OK, EOF, NO_FILE, DENIED, FAILURE = range(5)
def names(answer):
    """Of one batch; a number is a status."""
    kind, r = answer
    if kind == STATUS:
        return r.u32()
    found = []
    for _ in range(r.u32()):
        found.append(r.s())
        r.s()
        r.attrs()
    return found


def opendir(raw, path):
    kind, r = raw.ask(OPENDIR, s(path))
    assert kind == HANDLE, (kind, r.data)
    return r.s()


def whole(raw, handle, at_once):
    """All entries with AT_ONCE requests in flight, then what comes behind the end."""
    found, flight, ends = [], [raw.post(READDIR, s(handle)) for _ in range(at_once)], []
    while flight:
        got = names(raw.wait(flight.pop(0)))
        if isinstance(got, int):
            ends.append(got)
        else:
            assert not ends, "entries behind the end"
            found += got
            flight.append(raw.post(READDIR, s(handle)))
    return found, ends


host, port, key = sys.argv[1:4]
raw = subsystem(connect(host, port, key))
many = {b".", b".."} | {b"f%04d" % i for i in range(3000)}
few = {b".", b".."} | {b"g%d" % i for i in range(5)}

for at_once in (1, 2, 7):
    h = opendir(raw, "/one/many")
    found, ends = whole(raw, h, at_once)
    ok(sorted(found) == sorted(many) and set(ends) == {EOF}, f"{at_once} requests in flight: each entry once, then the end", (len(found), ends))
    ok(names(raw.ask(READDIR, s(h))) == EOF, "and the end again")
    raw.close(h)

# Closed with a batch on its way: the next directory takes the same place.
mixed = []
for turn in range(40):
    h = opendir(raw, "/one/many")
    first = raw.post(READDIR, s(h))
    closed = raw.post(CLOSE, s(h))
    if turn % 2:
        assert isinstance(names(raw.wait(first)), list)
    g = opendir(raw, "/one/few")
    found, ends = whole(raw, g, 1 + turn % 3)
    if set(found) != few or len(found) != len(few):
        mixed.append(found[:3])
    raw.wait(closed)
    raw.close(g)
ok(not mixed, "a directory opened in the place of one closed in the middle shows its own entries", mixed[:2])

handles = [opendir(raw, "/one/many" if i % 2 else "/one/few") for i in range(20)]
flight = [(i, raw.post(READDIR, s(h))) for i, h in enumerate(handles)]
rest = [[] for _ in handles]
while flight:
    i, ident = flight.pop(0)
    got = names(raw.wait(ident))
    if isinstance(got, list):
        rest[i] += got
        flight.append((i, raw.post(READDIR, s(handles[i]))))
ok(all(set(r) == (many if i % 2 else few) and len(r) == len(set(r)) for i, r in enumerate(rest)), "twenty listings at once do not mix")
for h in handles:
    raw.close(h)

h = opendir(raw, "/one/few")
ok(set(names(raw.ask(READDIR, s(h)))) == few, "a small directory comes in one batch")
for i in range(5):
    assert raw.status(REMOVE, s(f"/one/few/g{i}"))[0] == OK
ok(names(raw.ask(READDIR, s(h))) == EOF, "and ends, though it was emptied meanwhile")
raw.close(h)
sys.exit(ok.failed != 0)
