"""A program on a terminal, with a screen: what a person would see.  Needs python3-pyte."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

import pyte


class Terminal:
    def __init__(self, command, columns=80, rows=24, term="xterm-256color"):
        self.screen = pyte.HistoryScreen(columns, rows, history=2000)
        self.stream = pyte.ByteStream(self.screen)
        self.raw, self.status = b"", None
        pid, self.fd = pty.fork()
        if pid == 0:
            # The child waits until the size is set.
            os.read(0, 1)
            os.environ["TERM"] = term
            os.execvp(command[0], command)
        self.pid = pid
        self.size(columns, rows)
        tty = termios.tcgetattr(self.fd)
        tty[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self.fd, termios.TCSANOW, tty)
        os.write(self.fd, b"\n")

    def size(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.size(columns, rows)
        self.screen.resize(rows, columns)

    def type(self, keys):
        keys = keys.encode() if isinstance(keys, str) else keys
        while keys:
            keys = keys[os.write(self.fd, keys):]

    def take(self, seconds=0.05):
        """Shows what comes within SECONDS; False at the end of the program."""
        if self.status is not None:
            return False
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if not data:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    def lines(self):
        """The screen, without what is empty at the bottom."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def all(self):
        above = ["".join(line[i].data for i in range(self.screen.columns)).rstrip() for line in self.screen.history.top]
        return above + self.lines()

    def line(self):
        """The one with the cursor."""
        return self.screen.display[self.screen.cursor.y].rstrip()

    def wait(self, good, seconds=10):
        """GOOD: a function of this, or text that is to be seen somewhere.  Whether it came."""
        test = good if callable(good) else lambda: any(good in line for line in self.all())
        end = time.monotonic() + seconds
        while not test():
            if time.monotonic() > end or not self.take():
                return bool(test())
        return True

    def still(self, seconds=0.4):
        """Until nothing has come for SECONDS: for what must not change; never a proof that something has happened."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = len(self.raw)
            if not self.take(0.05):
                return
            if len(self.raw) != before:
                end = time.monotonic() + seconds

    def end(self, seconds=30):
        """The exit status, None if it does not end."""
        deadline = time.monotonic() + seconds
        while self.status is None and time.monotonic() < deadline:
            self.take(0.2)
        return self.status

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
            except (OSError, ChildProcessError):
                pass
            self.status = -9
        os.close(self.fd)
