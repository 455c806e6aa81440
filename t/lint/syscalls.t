#!/usr/bin/python3 -B
"""Every system call of this machine's kernel headers has a row in the profile of servers, so that none falls to the default without anybody having
thought about it.  Those that the headers have and the policy does not are printed: give each its row, in etc/seccomp/sandbox.policy as a rule."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import Tap, TREE, lint, read

HEADERS = ("/usr/include/*/asm/unistd_64.h", "/usr/include/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h")
# Machinery of the header, and calls of 32 bits that the generic one lists under their old names.
NO_CALLS = {"syscalls", "arch_specific_syscall"}


def calls(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return {name: int(nr) for name, nr in re.findall(r"^#define __NR_(\w+)\s+(\d+)\s*$", text, re.M) if name not in NO_CALLS}


def rows(tree, name):
    """Call -> where its (last) row stands; a file's own before what it includes."""
    found = {}
    for n, line in enumerate(read(tree, f"etc/seccomp/{name}").split("\n"), 1):
        if m := re.match(r"include (\S+)", line):
            found = rows(tree, m.group(1)) | found
        elif m := re.match(r"(?:(?:optional|sanitizers|never|needed) )*(?:allow|errno \w+|kill) (\w+)", line):
            found[m.group(1)] = f"etc/seccomp/{name}:{n}"
    return found


def unlisted(header):
    def check(tree):
        text = read(tree, header) if os.path.exists(os.path.join(tree, header)) else open("/" + header, encoding="utf-8").read()
        listed = rows(tree, "server.policy")
        return [f"etc/seccomp/sandbox.policy:1: no row for {name} ({nr} in /{header})" for name, nr in calls(text).items() if name not in listed]
    return check


def twice(tree):
    """What one profile says of a call stands in one file, but for the few that a profile refuses before it includes the rest."""
    problems = []
    base = rows(tree, "sandbox.policy")
    for name, where in rows(tree, "programs.policy").items():
        if name in base and base[name] != where and where.startswith("etc/seccomp/programs"):
            problems.append(f"{where}: {name} stands in {base[name]} too")
    return problems


tap = Tap()
found = [h for pattern in HEADERS for h in glob.glob(pattern)]
header = found[0].lstrip("/") if found else None
tap.ok(header is not None and len(calls(open("/" + header, encoding="utf-8").read())) > 250, "the kernel's header is read", [str(found)])
if header:
    lint(tap, "every system call of the kernel's headers is classified", unlisted(header), {
        header: "#define __NR_read 0\n#define __NR_write 1\n#define __NR_newcall 999\n#define __NR_aio 3\n#define __NR_syscalls 470\n",
        "etc/seccomp/server.policy": "default errno ENOSYS\nallow read # data\ninclude more.policy\n",
        "etc/seccomp/more.policy": "optional never errno EPERM aio # no\n# write\n",
    }, also=("etc/seccomp/sandbox.policy:1",))
lint(tap, "no call is decided in two files", twice, {
    "etc/seccomp/programs.policy": "allow bind # net\nallow read # data, BAD\ninclude sandbox.policy\n",
    "etc/seccomp/sandbox.policy": "allow read # data\nerrno EPERM mount # no\n",
})
tap.end()
