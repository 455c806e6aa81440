#!/usr/bin/python3 -B
"""terminal_steps.py STEP... -- COMMAND...: runs COMMAND on a terminal of 24 rows and 80 columns, by steps in turn:
   wait:REGEX    until the output behind the last match has one; at most PATIENCE seconds
   send:TEXT     types it; \\r, \\n and \\xNN as in Python
   size:ROWSxCOLUMNS   the window changes
   end           until COMMAND has ended; then its exit code is ours
Prints all output.  Exit 99: a wait was in vain."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 40


def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Run:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        size(self.fd, 24, 80)
        self.seen, self.at, self.open = b"", 0, True

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            more = b""
        self.open = bool(more)
        self.seen += more
        os.write(1, more)

    def wait(self, pattern):
        until = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern.encode(), self.seen[self.at:])
            if found:
                self.at += found.end()
                return
            if not self.open or time.monotonic() > until:
                print(f"\n[in vain: {pattern}]", flush=True)
                self.leave(99)
            self.read(0.2)

    def end(self):
        until = time.monotonic() + PATIENCE
        while self.open and time.monotonic() < until:
            self.read(0.2)
        if self.open:
            self.leave(99)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def leave(self, code):
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(code)


cut = sys.argv.index("--")
run = Run(sys.argv[cut + 1:])
code = 0
for step in sys.argv[1:cut]:
    word, _, rest = step.partition(":")
    if word == "wait":
        run.wait(rest)
    elif word == "send":
        os.write(run.fd, rest.encode().decode("unicode_escape").encode("latin-1"))
    elif word == "size":
        rows, columns = rest.split("x")
        size(run.fd, int(rows), int(columns))
        os.kill(run.pid, signal.SIGWINCH)
    elif word == "end":
        code = run.end()
    else:
        sys.exit(f"no step {step}")
if run.open and sys.argv[1:cut][-1:] != ["end"]:
    os.kill(run.pid, signal.SIGKILL)
sys.exit(code)
