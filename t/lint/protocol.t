#!/usr/bin/env python3
"""sshd/PROTOCOL names every message of the proto.h files with its number, and nothing else."""
import os
import re

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def headers():
    rows = set()
    for path in ("sshd/proto.h", "store/proto.h", "sandbox/proto.h", "quota/proto.h", "quota/quotafs_proto.h"):
        text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
        for body in re.findall(r"enum \w+ \{(.*?)\}", text, flags=re.S):
            value = -1
            for item in filter(None, (i.strip() for i in body.split(","))):
                name, _, given = (p.strip() for p in item.partition("="))
                value = int(given, 0) if given else value + 1
                if value >= 256:
                    rows.add((value, name))
    return rows


def page(text):
    return {(int(n, 16), name) for n, name in re.findall(r"^    (0x[0-9a-f]{4}) ([A-Z_]+)", text, flags=re.M)}


def ok(number, good, name, why=""):
    print(("ok" if good else "not ok"), number, "-", name, f"# {why}" if why and not good else "")


ours, text = headers(), open("sshd/PROTOCOL").read()
print("1..2")
ok(1, len(ours) > 50 and ours == page(text), "PROTOCOL and headers agree", str(sorted(ours ^ page(text))))
bad = page(text.replace("0x0101 START_SESSION", "0x0199 START_SESSION"))
ok(2, ours != bad, "a wrong number is noticed")
