#!/usr/bin/python3 -B
"""What each program is linked with states its rights.  Looks at the programs in BUILD= (or build/)."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import TREE, Tap

LIBC = "libc.so.6"
STATIC = None
TABLE = {
    "holdfastd": {LIBC, "libcap.so.2", "libinih.so.1"},
    "holdfast": {LIBC, "libsodium.so.23"},
    "holdfast-session": {LIBC, "libssh.so.4", "libcrypto.so.3", "libgssapi_krb5.so.2"},
    "holdfast-files": {LIBC},
    "holdfast-store": {LIBC, "libsqlite3.so.0", "libsodium.so.23", "liboath.so.0", "libqrencode.so.4"},
    "holdfast-count": {LIBC},
    "holdfast-archive": {LIBC, "libarchive.so.13"},
    "holdfast-launch": {LIBC, "libcap.so.2"},
    "holdfast-filter": {LIBC, "libnftables.so.1"},
    "holdfast-sink": {LIBC},
    "holdfast-prompt": {LIBC, "libedit.so.2"},
    "holdfast-shim": {LIBC},
    "holdfast-policy": {LIBC},
    "holdfast-copy": {LIBC},
    "holdfast-quotafs": {LIBC, "libfuse3.so.3"},
    "holdfast-init": STATIC,
}
# The loader is no library; the sanitizers' run-time is there in builds that ask for it, and brings its own.
OURS_NOT = ("ld-linux", "libasan", "libubsan")
SANITIZERS = {"libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libstdc++.so.6"}


def needed(program):
    text = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    return {line.split("[")[1].rstrip("]") for line in text.splitlines() if "(NEEDED)" in line}, "INTERP" in headers(program)


def headers(program):
    return subprocess.run(["readelf", "-lW", program], capture_output=True, text=True, check=True).stdout


def problems(program, allowed):
    libraries, loader = needed(program)
    sanitized = any(lib.startswith(("libasan", "libubsan")) for lib in libraries)
    libraries = {lib for lib in libraries if not lib.startswith(OURS_NOT)} - (SANITIZERS if sanitized else set())
    name = os.path.basename(program)
    if allowed is STATIC:
        return [f"{name} must be static and needs {' '.join(sorted(libraries)) or 'a loader'}"] if libraries or loader else []
    return [f"{name} is linked with {lib}; allowed: {' '.join(sorted(allowed))}" for lib in sorted(libraries - allowed)]


def hardening(program):
    text = headers(program)
    dynamic = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    found = []
    if "GNU_STACK" in text and "RWE" in [f for line in text.splitlines() if "GNU_STACK" in line for f in line.split()]:
        found.append("an executable stack")
    if "INTERP" in text and "BIND_NOW" not in dynamic and "NOW" not in dynamic:
        found.append("no immediate binding")
    if "INTERP" in text and "GNU_RELRO" not in text:
        found.append("no read-only relocations")
    if "Type:" in (h := subprocess.run(["readelf", "-h", program], capture_output=True, text=True).stdout) and "INTERP" in text \
            and "DYN" not in h:
        found.append("no position-independent code")
    return found


tap = Tap()
python = os.path.realpath(sys.executable)
tap.ok(problems(python, {LIBC}), "finds a library too many")
tap.ok(problems(python, STATIC), "finds a program that is not static")

build = os.environ.get("BUILD") or os.path.join(TREE, "build")
for name, allowed in TABLE.items():
    path = os.path.join(build, name)
    words = f"{name} is linked with {'nothing' if allowed is STATIC else ' '.join(sorted(allowed))} at most"
    if not os.path.isdir(build) or not os.path.exists(os.path.join(build, "Makefile")):
        tap.skip(words, "nothing is built; set BUILD=")
        continue
    if not os.path.exists(path):
        tap.ok(False, words, [f"{path} was not built"])
        continue
    found = problems(path, allowed)
    tap.ok(not found, words, found)
    if "libasan" not in subprocess.run(["readelf", "-d", path], capture_output=True, text=True).stdout:
        weak = hardening(path)
        tap.ok(not weak, f"{name} is hardened", weak)

# What libssh is to find in the program itself instead of in a library.
session = os.path.join(build, "holdfast-session")
words = "holdfast-session hands libssh its own recv, send, poll, RAND_bytes and EVP_DigestVerify"
if os.path.exists(session):
    table = subprocess.run(["nm", "-D", "--defined-only", session], capture_output=True, text=True, check=True).stdout
    missing = {"recv", "send", "poll", "RAND_bytes", "EVP_DigestVerify"} - {line.split()[-1] for line in table.splitlines()}
    tap.ok(not missing, words, sorted(missing))
else:
    tap.skip(words, "nothing is built; set BUILD=")

# What stands in for Kerberos (sshd/session/nogss.c) is found, and has all that the libssh of this machine asks for.
stand_in = os.path.join(build, "libgssapi_krb5.so.2")
if os.path.exists(session) and os.path.exists(stand_in):
    loaded = subprocess.run(["ldd", session], capture_output=True, text=True, check=True).stdout
    paths = {line.split()[0]: line.split()[2] for line in loaded.split("\n") if " => " in line}
    tap.ok(os.path.samefile(paths["libgssapi_krb5.so.2"], stand_in) and "libkrb5.so.3" not in paths, "holdfast-session loads no Kerberos",
           loaded.split("\n"))
    libssh = paths["libssh.so.4"]
    names = [{line.split()[-1].split("@")[0] for line in subprocess.run(["nm", "-D", which, path], capture_output=True, text=True,
              check=True).stdout.splitlines() if line.split()[-1].lower().startswith("gss_")}
             for which, path in (("--undefined-only", libssh), ("--defined-only", stand_in))]
    tap.ok(len(names[0]) > 10 and not names[0] - names[1], "and libssh finds every name it asks for", sorted(names[0] - names[1]))
else:
    tap.skip("holdfast-session loads no Kerberos", "nothing is built; set BUILD=")
tap.end()
