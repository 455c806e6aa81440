#!/usr/bin/python3 -B
"""What leaves protections out for t/sys/weaken.t is linked into test programs alone: no byte of it is in a program that is installed, no
source of theirs has a condition for it."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import TREE, Tap, files, lint, read

WORDS = re.compile(r"weaken|weak_(launch|init)|(launch|init)_weak|__wrap_|__real_", re.I)
MARKS = (b"HOLDFAST_WEAKEN", b"weaken", b"__wrap_", b"__real_")
INSTALLED = ("holdfastd", "holdfast", "holdfast-session", "holdfast-files", "holdfast-store", "holdfast-archive", "holdfast-launch",
             "holdfast-sink", "holdfast-prompt", "holdfast-shim", "holdfast-init")


def check(tree):
    return [f"{path}:{n}: {line.strip()}" for path in files(tree, suffixes=(".c", ".h", ".mk"))
            for n, line in enumerate(read(tree, path).split("\n"), 1) if WORDS.search(line)]


tap = Tap()
lint(tap, "no source knows of left-out protections", check, {
    "sandbox/launch/a.c": "int a;\nif (weakened(\"filter\")) /* BAD */\nint __wrap_b(void); /* BAD */\n",
    "sandbox/launch.mk": "x_LDFLAGS = -Wl,--wrap=sequence -DHOLDFAST_WEAKEN # BAD\n",
})
build = os.environ.get("BUILD") or os.path.join(TREE, "build")
for name in INSTALLED:
    path = os.path.join(build, name)
    if not os.path.exists(path):
        continue
    with open(path, "rb") as f:
        data = f.read()
    tap.ok(not any(mark in data for mark in MARKS), f"{name} has no byte of it")
for name in ("t/lib/launch_weak", "t/lib/init_weak"):
    path = os.path.join(build, name)
    if os.path.exists(path):
        with open(path, "rb") as f:
            tap.ok(MARKS[0] in f.read(), f"{name} has, so a search finds it")
tap.end()
