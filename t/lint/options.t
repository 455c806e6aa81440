#!/usr/bin/python3
"""Every option stands in the sample files and in holdfast.ini(5), with its default, unit and help: both are what the option tables say.
Looks at the program t/lib/options in BUILD= (or build/).  To renew both: options.t --write."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import TREE, Tap, read

SAMPLES = {"daemon": "etc/holdfast.ini", "accounts": "etc/accounts.ini", "servers": "etc/servers.d/example.ini"}
PAGE = "etc/man/holdfast.ini.5"
PROGRAM = os.path.join(os.environ.get("BUILD") or os.path.join(TREE, "build"), "t/lib/options")


def options(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True).stdout


def block(word, text):
    return re.compile(r'(\.\\" options of %s\n)(.*?)(\.\\" end\n)' % word, re.S).search(text)


def differences(want, got, where):
    """Lines of the one that the other lacks, in either direction."""
    a, b = want.splitlines(), got.splitlines()
    found = [f"{where}: lacks: {line}" for line in a if line not in b] + [f"{where}: stale: {line}" for line in b if line not in a]
    return found or ([f"{where}: the order differs"] if want != got else [])


def documented(listed, page):
    """Names of options that the page has no item for, looked at without the generator's help."""
    return [key for key in listed if not re.search(r"^\.It Cm %s " % re.escape(key), page, re.M)]


def write():
    for word, path in SAMPLES.items():
        with open(os.path.join(TREE, path), "w", encoding="utf-8") as f:
            f.write(options("sample", word))
    page = read(TREE, PAGE)
    for word in SAMPLES:
        m = block(word, page)
        page = page[:m.start(2)] + options("man", word) + page[m.end(2):]
    with open(os.path.join(TREE, PAGE), "w", encoding="utf-8") as f:
        f.write(page)


if sys.argv[1:] == ["--write"]:
    write()
    sys.exit(0)
tap = Tap()
if not os.path.exists(PROGRAM):
    print(f"1..0 # SKIP no {PROGRAM}: 'make check' builds it")
    sys.exit(0)
rows = [line.split("\t") for line in options("list").splitlines()]
tap.ok(len(rows) > 60 and all(len(r) == 5 and r[4] for r in rows), f"{len(rows)} options, each with a help")
tap.ok(differences("a\nb\n", "a\nc\n", "x") == ["x: lacks: b", "x: stale: c"] and differences("a\nb\n", "b\na\n", "x")
       and documented(["b"], ".It Cm a No\n") == ["b"], "the comparison finds what differs")
page = read(TREE, PAGE)
for word, path in SAMPLES.items():
    tap.ok(not (d := differences(options("sample", word), read(TREE, path), path)), f"{path} shows each option as it is", d)
    m = block(word, page)
    tap.ok(m and not differences(options("man", word), m.group(2), PAGE), f"{PAGE} has the options of {word}",
           differences(options("man", word), m.group(2), PAGE) if m else [f"{PAGE}: no block for {word}"])
missing = documented([r[1] for r in rows], page)
tap.ok(not missing, "no option lacks its item in the page", missing)
tap.end()
