#!/usr/bin/python3
"""holdfastd(8) shows the states of a server and what is done about each event as the table of the code has them.  Looks at the program t/lib/states in
BUILD= (or build/).  To renew it: states.t --write."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import TREE, Tap, read

PAGE = "etc/man/holdfastd.8"
PROGRAM = os.path.join(os.environ.get("BUILD") or os.path.join(TREE, "build"), "t/lib/states")
BLOCK = re.compile(r'(\.\\" states of a server\n)(.*?)(\.\\" end\n)', re.S)


def table():
    return subprocess.run([PROGRAM], capture_output=True, text=True, check=True).stdout


def cells(text):
    """{(state, event): cell} of the printed table."""
    lines = text.split(".Bd -literal\n")[1].split(".Ed\n")[0].splitlines()
    states = lines[0].split()
    return {(s, line[:14].strip()): c for line in lines[1:] for s, c in zip(states, [line[15 + 11 * i:26 + 11 * i].strip() for i in range(len(states))])}


if not os.path.exists(PROGRAM):
    print(f"1..0 # SKIP no {PROGRAM}: 'make check' builds it")
    sys.exit(0)
page = read(TREE, PAGE)
m = BLOCK.search(page)
if sys.argv[1:] == ["--write"]:
    with open(os.path.join(TREE, PAGE), "w", encoding="utf-8") as f:
        f.write(page[:m.start(2)] + table() + page[m.end(2):])
    sys.exit(0)
tap = Tap()
want = table()
tap.ok(m and m.group(2) == want, f"{PAGE} shows the table as it is",
       [f"lacks: {line}" for line in want.splitlines() if not m or line not in m.group(2)] + ([f"stale: {line}" for line in m.group(2).splitlines() if line not in want] if m else []))
got = cells(want)
tap.ok(len(got) == 7 * 12 and all(got.values()), f"{len(got)} pairs of state and event, none without an answer", [k for k, v in got.items() if not v])
explained = set(re.findall(r"^\.It (.*)$", want, re.M))
used = {"\\-" if c == "-" else c for c in got.values()}
tap.ok(used == explained, "each answer is explained, and no other", sorted(used ^ explained))
tap.end()
