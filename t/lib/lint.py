"""What the lint tests share: the tree's C files, C without comments and strings, TAP, and the self-test every lint must have.

A lint is a function of a tree (a folder) that returns problems, each "file:line: words".  `lint()` first shows it a bad sample and
wants every line marked BAD there found, and no other; then it looks at the real tree.
"""
import os
import re
import sys
import tempfile

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# One process each; what stands in these folders is nobody else's.
PROCESSES = ("sshd/supervisor", "sshd/session", "sshd/files", "sshd/prompt", "sshd/tool", "sandbox/launch", "sandbox/init", "sandbox/shim", "sandbox/policy", "sandbox/filter",
             "quota/quotafs", "quota/count", "quota/copy", "store/stored", "store/archive")
CODE = ("base", "sshd", "sandbox", "quota", "store")


def files(tree, suffixes=(".c", ".h"), tops=CODE):
    for top in tops:
        for folder, folders, names in os.walk(os.path.join(tree, top)):
            folders.sort()
            for name in sorted(names):
                if name.endswith(suffixes) and not name.endswith((".bpf.h", ".rows.h")):
                    yield os.path.relpath(os.path.join(folder, name), tree)


def read(tree, path):
    with open(os.path.join(tree, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def process_of(path):
    for p in PROCESSES:
        if path.startswith(p + "/"):
            return p
    return None


def bare(text):
    """C with comments and the insides of strings blanked, lines kept."""
    def blank(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + " " * (len(s) - 2) + s[0]
        return re.sub(r"[^\n]", " ", s)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def arguments(text, opening):
    """The text between the parenthesis at OPENING and its mate."""
    depth = 0
    for i in range(opening, len(text)):
        if text[i] == "(":
            depth += 1
        elif text[i] == ")":
            depth -= 1
            if not depth:
                return text[opening + 1:i]
    return text[opening + 1:]


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, passed, words, problems=()):
        self.count += 1
        print(f"{'ok' if passed else 'not ok'} {self.count} - {words}")
        if not passed:
            self.failed += 1
            for p in list(problems)[:60]:
                print(f"# {p}")
            if len(problems) > 60:
                print(f"# and {len(problems) - 60} more")

    def skip(self, words, why):
        self.count += 1
        print(f"ok {self.count} - {words} # SKIP {why}")

    def end(self):
        print(f"1..{self.count}")
        sys.stdout.flush()
        sys.exit(1 if self.failed else 0)


def write_tree(folder, sample):
    for path, text in sample.items():
        where = os.path.join(folder, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w") as f:
            f.write(text)


def marked(sample):
    return {f"{path}:{n}" for path, text in sample.items() for n, line in enumerate(text.split("\n"), 1) if "BAD" in line}


def lint(tap, words, check, sample, also=()):
    """SAMPLE: {path: text}; lines with BAD in them, and the places in ALSO ("path:line"), must be found."""
    with tempfile.TemporaryDirectory() as folder:
        write_tree(folder, sample)
        found = {":".join(p.split(":")[:2]) for p in check(folder)}
        want = marked(sample) | set(also)
        tap.ok(found == want, f"finds what is wrong: {words}",
               [f"missed {x}" for x in sorted(want - found)] + [f"found falsely {x}" for x in sorted(found - want)])
    problems = check(TREE)
    tap.ok(not problems, words, problems)
