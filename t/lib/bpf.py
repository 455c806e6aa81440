#!/usr/bin/python3 -B
"""Filters of system calls in tests: a small machine that runs them, and the one a process runs behind.

  bpf.py PID CALL[:ARG,...]...    what the kernel has loaded for PID answers: "CALL allow", "CALL 1" (an errno), "CALL kill"; needs root
  bpf.py --rows FILE PID                  1 if a row in FILE (of `holdfast --json server seccomp`) is not what is loaded for PID
"""
import ctypes
import errno
import json
import os
import struct
import sys

ALLOW, ERRNO, KILL = 0x7fff0000, 0x50000, 0x80000000
ARCHES = {"x86_64": 0xc000003e, "aarch64": 0xc00000b7}
GET_FILTER, SEIZE, INTERRUPT, DETACH = 0x420c, 0x4206, 0x4207, 17


def parse(raw):
    return list(struct.iter_unpack("=HBBI", raw))


def run(bpf, nr, *args, arch=None):
    """What the kernel would answer."""
    data = struct.pack("=iIQ6Q", nr, ARCHES[os.uname().machine] if arch is None else arch, 0, *(args + (0,) * (6 - len(args))))
    a = pc = 0
    while True:
        code, jt, jf, k = bpf[pc]
        pc += 1
        if code == 0x20:
            a = struct.unpack_from("=I", data, k)[0]
        elif code == 0x54:
            a &= k
        elif code == 0x05:
            pc += k
        elif code in (0x15, 0x25, 0x35):
            pc += jt if {0x15: a == k, 0x25: a > k, 0x35: a >= k}[code] else jf
        elif code == 0x06:
            return k
        else:
            raise ValueError(hex(code))


def loaded(pid):
    """The filter of PID as the kernel has it, the one loaded last."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long

    def ptrace(request, where=None, data=None):
        n = libc.ptrace(request, pid, where, data)
        if n < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x}: {os.strerror(ctypes.get_errno())}")
        return n
    ptrace(SEIZE)
    try:
        ptrace(INTERRUPT)
        os.waitpid(pid, 0x40000000)   # __WALL
        n = ptrace(GET_FILTER, 0, None)
        room = ctypes.create_string_buffer(n * 8)
        ptrace(GET_FILTER, 0, ctypes.addressof(room))
        return parse(room.raw)
    finally:
        ptrace(DETACH)


def word(action):
    return "allow" if action == ALLOW else str(action & 0xffff) if action & ~0xffff == ERRNO else "kill"


def differences(rows, program):
    """Rows without conditions that come first of their call, and calls that no row names, where PROGRAM answers otherwise."""
    calls = {}
    for r in rows:
        calls.setdefault(r["number"], r)
    for nr, r in calls.items():
        want = str(getattr(errno, r["action"].split()[1])) if r["action"].startswith("errno") else r["action"]
        if nr >= 0 and not r["conditions"] and word(run(program, nr)) != want:
            yield r
    yield from (n for n in range(1024) if n not in calls and run(program, n) != ERRNO | errno.ENOSYS)
    if len(calls) < 300:
        yield f"{len(calls)} calls only"


def main(words):
    if words[0] == "--rows":
        wrong = list(differences([json.loads(line) for line in open(words[1])], loaded(int(words[2]))))
        print(*wrong, sep="\n")
        return bool(wrong)
    program = loaded(int(words[0]))
    for question in words[1:]:
        number, _, values = question.partition(":")
        print(question, word(run(program, int(number), *(int(v, 0) for v in values.split(",") if v))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
