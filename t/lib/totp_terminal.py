#!/usr/bin/python3 -B
"""Types into a program on a terminal: totp_terminal.py (EXPECT ANSWER)... -- COMMAND...; prints what the terminal showed, exits as the command does"""
import os
import pty
import select
import sys
import time

cut = sys.argv.index("--")
script, command = sys.argv[1:cut], sys.argv[cut + 1:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, at, end = b"", 0, time.monotonic() + 60
steps = [(script[i].encode(), script[i + 1].encode()) for i in range(0, len(script), 2)]
while time.monotonic() < end:
    if select.select([fd], [], [], 0.2)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    if steps and shown.find(steps[0][0], at) >= 0:
        at = shown.find(steps[0][0], at) + len(steps[0][0])
        os.write(fd, steps.pop(0)[1] + b"\r")
os.close(fd)
status = os.waitpid(pid, 0)[1]
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
