#!/usr/bin/python3 -B
"""The documentation names what is there: the paths in README, every verb of an account in holdfast-ssh(7), every verb and option of the tool in
holdfast(8), every option of the daemon in holdfastd(8).  mandoc has nothing to say about the pages."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import TREE, Tap, lint, read

PAGES = ("etc/man/holdfast-ssh.7", "etc/man/holdfast.8", "etc/man/holdfast.ini.5", "etc/man/holdfastd.8")
# The first component of a path of ours; others are of the machine or a placeholder.
TOPS = ("base", "sshd", "sandbox", "quota", "store", "etc", "t")


def there(tree, path):
    path = path.rstrip("/").replace("FOLDER", "**").replace("NAME", "*")
    return bool(glob.glob(os.path.join(tree, path), recursive=True))


def paths_of_readme(tree):
    """Words with a slash: those whose first folder is one of ours, and all in the list "Where is ..."."""
    problems = []
    text = read(tree, "README") if os.path.exists(os.path.join(tree, "README")) else ""
    listed = False
    for n, line in enumerate(text.split("\n"), 1):
        listed = line.startswith("Where is") or (listed and (line.startswith((" ", "-")) or not line))
        for word in re.findall(r"(?<![\w./~-])(%s/[\w./*-]*\w(?:\*\.\w+)?)" % (r"\w+" if listed else "(?:%s)" % "|".join(TOPS)), line):
            if not there(tree, word):
                problems.append(f"README:{n}: there is no {word}")
    return problems


def account_verbs(tree):
    code = read(tree, "sshd/session/verbs.c")
    items = re.findall(r"^\.It Cm (.*)$", read(tree, "etc/man/holdfast-ssh.7"), flags=re.M)
    heads = [re.split(r" (?:O[op]|Ar|Fl|Oc)\b", i)[0] for i in items]
    known = {v.strip() for h in heads for v in h.split(",")}
    found = re.findall(r'(?:\.name = |\bSUM\()"([a-z0-9 ]+)"', code)
    problems = [f"etc/man/holdfast-ssh.7:1: lacks the verb '{v}' of sshd/session/verbs.c" for v in found if v not in known]
    problems += [f"etc/man/holdfast-ssh.7:1: names '{v}', which is no verb" for v in sorted(known) if v not in found]
    options = set(re.findall(r"--([a-z]+)", " ".join(re.findall(r'\.usage =?\s*"([^"]*)"', code))))
    page = read(tree, "etc/man/holdfast-ssh.7")
    problems += [f"etc/man/holdfast-ssh.7:1: lacks the option --{o}" for o in sorted(options) if f"Fl -{o}" not in page]
    return problems + ([] if found else ["sshd/session/verbs.c:1: no verb found"])


def tool_verbs(tree):
    code, page = read(tree, "sshd/tool/main.c"), read(tree, "etc/man/holdfast.8")
    table = re.search(r"verbs\[\] = \{(.*?)\n\};", code, re.S).group(1)
    found = re.findall(r'^    \{"([a-z]+)", "([a-z]*)', table, flags=re.M)
    known = re.findall(r"^\.It Cm ([a-z]+)(?: (?:Cm )?([a-z]+)\b)?", page, flags=re.M)
    problems = [f"etc/man/holdfast.8:1: lacks the verb '{v} {w}' of sshd/tool/main.c" for v, w in found if (v, w) not in known]
    problems += [f"etc/man/holdfast.8:1: names '{v} {w}', which is no verb" for v, w in known if (v, w) not in found]
    for option in re.findall(r'^        \{"([a-z]+)", (?:no|required)_argument', code, flags=re.M):
        if not re.search(r"^\.It .*Fl -%s\b" % option, page, flags=re.M):
            problems.append(f"etc/man/holdfast.8:1: lacks the option --{option}")
    return problems + ([] if found else ["sshd/tool/main.c:1: no verb found"])


def daemon_options(tree):
    letters = re.search(r'getopt\(\w+, \w+, "([A-Za-z:]+)"', read(tree, "sshd/supervisor/main.c"))
    page = read(tree, "etc/man/holdfastd.8")
    known = set(re.findall(r"^\.It Fl (\w)", page, flags=re.M))
    found = set(letters.group(1).replace(":", "")) if letters else set()
    problems = [f"etc/man/holdfastd.8:1: lacks the option -{o}" for o in sorted(found - known)]
    problems += [f"etc/man/holdfastd.8:1: names -{o}, which is no option" for o in sorted(known - found)]
    return problems + ([] if found else ["sshd/supervisor/main.c:1: no getopt found"])


def mandoc(tree):
    p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *PAGES], cwd=tree, capture_output=True, text=True)
    return [line.replace("mandoc: ", "") for line in (p.stdout + p.stderr).splitlines()]


tap = Tap()
lint(tap, "what README names is there", paths_of_readme, {
    "README": "Intro\n    /etc/mine.ini is the machine's, man/none is not listed\n    sshd/gone.c is BAD\n\nWhere is ...\n-----\n"
              "    a file      sshd/here.c, t/NAME, FOLDER/deep\n    a page      man/none BAD\n    a glob      sshd/here*.c\n", "sshd/sub/deep": "",
    "sshd/here.c": "", "t/x": ""})
for name, check in (("verbs and options of accounts stand in holdfast-ssh(7)", account_verbs), ("those of the tool in holdfast(8)", tool_verbs),
                    ("options of the daemon in holdfastd(8)", daemon_options)):
    problems = check(TREE)
    tap.ok(not problems, name, problems)
if shutil.which("mandoc"):
    problems = mandoc(TREE)
    tap.ok(not problems, "the pages are clean for mandoc", problems)
else:
    tap.ok(True, "the pages are clean for mandoc # SKIP mandoc is not installed")
sys.exit(tap.end())
