#!/usr/bin/python3 -B
"""Each process folder says its rights in RIGHTS; each row of a seccomp policy says its reason.  (t/sys/rights.t compares both with
running processes.)"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import PROCESSES, TREE, Tap, lint, read

KEYS = ["program", "uid", "caps", "fds", "syscalls", "peers", "never"]


def check_rights(tree):
    problems = []
    for folder in PROCESSES:
        where = os.path.join(tree, folder)
        if not os.path.isdir(where) or not any(n.endswith(".c") for n in os.listdir(where)):
            continue
        path = f"{folder}/RIGHTS"
        if not os.path.exists(os.path.join(where, "RIGHTS")):
            problems.append(f"{path}:1: missing; lines wanted: {', '.join(KEYS)}")
            continue
        found = []
        for n, line in enumerate(read(tree, path).rstrip("\n").split("\n"), 1):
            m = re.match(r"([a-z]+): (\S.*)$", line)
            if m and m.group(1) in KEYS:
                found.append(m.group(1))
                problems += [f"{path}:{n}: {p}" for p in value_problems(tree, folder, m.group(1), m.group(2))]
            elif not re.match(r"[ \t]+\S", line) or n == 1:
                problems.append(f"{path}:{n}: neither 'KEY: TEXT' with a KEY of {', '.join(KEYS)}, nor a line that continues one")
        if found != KEYS:
            problems.append(f"{path}:1: has the lines {', '.join(found)}; wanted, in this order: {', '.join(KEYS)}")
    return problems


def value_problems(tree, folder, key, value):
    if key == "program" and not re.fullmatch(r"holdfast(d|-[a-z]+)?", value):
        yield f"program '{value}' is not one of ours"
    if key == "caps" and not re.match(r"(none|all|(CAP_)?[A-Z_]{4,})\b", value):
        yield f"caps '{value}'; allowed: none, all, or names"
    if key == "syscalls":
        m = re.match(r"(etc/seccomp/[a-z-]+\.policy)\b", value)
        if m and not os.path.exists(os.path.join(tree, m.group(1))):
            yield f"names {m.group(1)}, which does not exist"
        elif not m and not re.match(r"(none refused|not filtered|unfiltered)\b", value):
            yield "neither names etc/seccomp/NAME.policy nor says 'unfiltered: WHY'"


def check_policies(tree):
    problems = []
    folder = os.path.join(tree, "etc/seccomp")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = f"etc/seccomp/{name}"
        rows = {}
        for n, line in enumerate(read(tree, path).split("\n"), 1):
            if re.match(r"\s*(#|$)", line) or re.match(r"(default|include)\b", line):
                continue
            m = re.match(r"((?:optional |sanitizers |never |needed )*)(allow|errno [A-Z0-9]+|kill|log)\s+(\w+)\s*([^#]*?)\s*(?:#\s*(.*))?$", line)
            if not m:
                problems.append(f"{path}:{n}: not a row: {line}")
                continue
            if len(m.group(5) or "") < 3:
                problems.append(f"{path}:{n}: {m.group(3)} has no reason")
            row = (m.group(3), m.group(4))
            if row in rows:
                problems.append(f"{path}:{n}: {m.group(3)} stands in line {rows[row]} already")
            rows[row] = n
    return problems


GOOD = "program: holdfast-shim\nuid: holdfast-shim\ncaps: none\nfds: 0 1 null\n  2 log\nsyscalls: etc/seccomp/shim.policy\npeers: init\nnever: opens\n"
tap = Tap()
lint(tap, "every process folder has its RIGHTS, in form", check_rights, {
    "sandbox/shim/RIGHTS": GOOD, "sandbox/shim/main.c": "", "etc/seccomp/shim.policy": "",
    "store/stored/main.c": "",
    "store/archive/main.c": "", "store/archive/RIGHTS": GOOD.replace("shim.policy", "none.policy # BAD").replace("caps: none\n", ""),
    "sshd/files/main.c": "", "sshd/files/RIGHTS": GOOD.replace("uid: holdfast-shim", "user: BAD"),
}, also=("store/stored/RIGHTS:1", "store/archive/RIGHTS:1", "sshd/files/RIGHTS:1"))
lint(tap, "every row of a seccomp policy has a reason", check_policies, {
    "etc/seccomp/x.policy": "# comment\ndefault kill\n\nallow read # links\noptional allow poll # waiting\nallow write\nallow close #\n"
                            "errno EPERM chown arg1 == 0 # BAD-free reason\nallow read # again\nnonsense\n".replace("BAD-free", "a"),
}, also=("etc/seccomp/x.policy:6", "etc/seccomp/x.policy:7", "etc/seccomp/x.policy:9", "etc/seccomp/x.policy:10"))
policies = os.path.join(TREE, "etc/seccomp")
tap.ok(os.path.isdir(policies) and len(os.listdir(policies)) > 3, "there are policies")
tap.end()
