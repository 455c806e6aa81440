#!/usr/bin/python3 -B
"""The protocol of scp -t and scp -f byte by byte: clients that break its rules, or end in the middle.  scp_raw.py HOST PORT KEY; prints results.
Alice owns /one and /two; /one/tree and what else is named here was made by the caller."""
import sys
import time
import paramiko

from results import ok

host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(host, port, "alice", key_filename=key, allow_agent=False, look_for_keys=False, timeout=20)
sftp = client.open_sftp()


class Far:
    """The far end: a command, bytes to it and from it."""
    def __init__(self, command):
        self.channel = client.get_transport().open_session()
        self.channel.settimeout(20)
        self.channel.exec_command(command)

    def say(self, *parts):
        for part in parts:
            self.channel.sendall(part if isinstance(part, bytes) else part.encode())

    def byte(self):
        return self.channel.recv(1)

    def line(self):
        got = b""
        while not got.endswith(b"\n"):
            more = self.byte()
            if not more:
                break
            got += more
        return got

    def answer(self):
        """b"" is yes, else what was said, with its first byte."""
        first = self.byte()
        return b"" if first == b"\0" else first + (self.line() if first else b"(the end)")

    def eof(self):
        self.channel.shutdown_write()

    def end(self):
        """All that is left to say, and the exit code."""
        got = b""
        while True:
            more = self.channel.recv(65536)
            if not more:
                break
            got += more
        return got, self.channel.recv_exit_status()


def sink(command="scp -t /one/raw"):
    far = Far(command)
    first = far.answer()
    if first:
        ok(False, f"{command}: begins", first)
    return far


def there(path):
    try:
        return sftp.stat(path).st_size
    except OSError:
        return None


sftp.mkdir("/one/raw")

# --- lines that are none: said, and the end ---------------------------------------------------------------------------------------------
for bad in [b"\n", b"X\n", b"C0644 1\n", b"C0644 -1 a\n", b"C0644 9223372036854775808 a\n", b"C0644 99999999999999999999999 a\n", b"C9644 1 a\n",
            b"C644 1 a\n", b"C0644 1a a\n", b"T1 0 1\n", b"T-1 0 1 0\n", b"T1 0 1 0 0\n", b"E\n", b"E E\n", b"\0\0\n", b"D0755 0 d\n", b"C0644 " + b"9" * 5000]:
    far = sink()
    far.say(bad)
    got, code = far.end()
    ok(got[:1] == b"\2" and got.endswith(b"\n") and code == 1, f"{bad[:40]!r} is refused", (got, code))

# --- names that are none: this one not, and on ----------------------------------------------------------------------------------------------
for bad in [b"", b".", b"..", b"/", b"../x", b"a/b", b"/etc/passwd", b"a\0b", b"b" * 256]:
    for kind in b"C", b"D":
        far = sink("scp -r -t /one/raw")
        far.say(kind + b"0644 1 " + bad + b"\n")
        first = far.answer()
        far.say(b"C0600 2 after\n")
        second = far.answer()
        far.say(b"ok\0")
        third = far.answer()
        far.eof()
        got, code = far.end()
        ok(first[:5] == b"\1scp:" and second == third == got == b"" and code == 1, f"the name {bad[:20]!r} in {kind!r} is refused, the next taken",
           (first, second, third, got, code))
ok(sorted(sftp.listdir("/one/raw")) == ["after"], "nothing else was made", sftp.listdir("/one/raw"))

# --- ends in the middle -----------------------------------------------------------------------------------------------------------------------
far = sink()
far.say("C0644 100 short\n")
ok(far.answer() == b"", "a file that is said to be long")
far.say(b"x" * 40)
far.eof()
got, code = far.end()
ok(got[:1] == b"\2" and code == 1, "the input ends within it", (got, code))
ok(there("/one/raw/short") == 40, "what came is there", there("/one/raw/short"))
far = sink()
far.say("C0644 100")
far.eof()
ok(far.end()[1] == 1, "the input ends within a line")
far = sink("scp -r -t /one/raw")
far.say("D0755 0 open\n")
ok(far.answer() == b"", "a directory begins")
far.eof()
ok(far.end()[1] == 1, "the input ends within it")
far = sink()
far.eof()
ok(far.end() == (b"", 0), "nothing at all is no error")
far = sink()
far.say("C0644 5 dies\n")
far.answer()
far.say(b"12345")
far.channel.close()
far = sink()
far.say("C0644 1000000000000 gone\n")
far.answer()
far.say(b"1")
far.channel.close()
ok(there("/one/raw/dies") is not None, "a client that goes is survived")

# --- what a sender may say of itself --------------------------------------------------------------------------------------------------------------
far = sink()
far.say(b"\1I cannot read one\n", "C0644 3 more\n")
ok(far.answer() == b"", "after a warning of the sender's the next is taken")
far.say(b"abc\1it broke\n")
ok(far.answer() == b"", "and one that broke on its side is answered")
far.eof()
ok(far.end() == (b"", 1) and there("/one/raw/more") == 3, "exit 1 then")
far = sink()
far.say(b"\2I give up\n")
ok(far.end()[1] == 1, "a fatal one ends it")

# --- all at once, without waiting for answers ------------------------------------------------------------------------------------------------------
far = sink("scp -r -p -t /one/raw")
far.say("D0700 0 fast\n", *[f"T{i} 0 {i} 0\nC0640 1 {i}\nx\0" for i in range(1000)], "E\n")
far.eof()
got, code = far.end()
ok(got == b"\0" * 3002 and code == 0, "a thousand files without waiting", (len(got), got[:80], code))
s = sftp.stat("/one/raw/fast/77")
ok(s.st_mtime == 77 and s.st_mode & 0o7777 == 0o640 and sftp.stat("/one/raw/fast").st_mode & 0o7777 == 0o700, "with times and modes", s)
far = sink("scp -r -t /one/raw")
deep = 0
while deep < 100 and (far.say("D0755 0 d\n"), far.answer())[1] == b"":
    deep += 1
ok(deep == 64, "64 directories in each other", deep)
far.say("C0644 1 x\n")
ok(far.answer() == b"", "and a file in the last")
far.say(b"y\0", "E\n" * 64)
far.eof()
ok(far.end() == (b"\0" * 65, 1), "and back up again")
far = sink()
far.say("T99999999999 0 1 0\n")
ok(far.answer() == b"", "a time past what is known")
far.say("C6755 1 masked\n")
far.answer()
far.say(b"m\0")
far.answer()
far.eof()
far.end()
s = sftp.stat("/one/raw/masked")
ok(abs(s.st_mtime - time.time()) < 100 and s.st_mode & 0o7777 == 0o755, "is no time; setuid and the umask's bits are dropped", s)

# A client that sends lines and never reads is not served without end.
far = Far("scp -t /one/raw")
far.channel.settimeout(3)
sent = 0
try:
    while sent < 64 << 20:
        far.say(b"C0644 1 ..\n" * 4096)
        sent += 11 * 4096
except OSError:
    pass
ok(sent < 32 << 20, "a client that reads no answer has to wait", sent)
far.channel.close()
ok(there("/one/raw/after") == 2, "and the others do not notice")

# --- a full disk ------------------------------------------------------------------------------------------------------------------------------------
far = sink()
far.say("C0644 70000000 big\n")
ok(far.answer() == b"", "a file larger than the disk begins")
for _ in range(70):
    far.say(b"b" * 1000000)
far.say(b"\0")
first = far.answer()
far.say("C0644 5 next\n")
second = far.answer()
kept = there("/one/raw/big")
sftp.remove("/one/raw/big")
far.say("C0644 5 then\n")
third = far.answer()
far.say(b"there\0")
fourth = far.answer()
far.eof()
ok(first == b"\1scp: /one/raw/big: quota exceeded (64 MiB of 64 MiB)\n", "and is refused when all of it has come", first)
ok(second == first.replace(b"big", b"next"), "so is the next, before its data", second)
ok(third == fourth == b"" and far.end() == (b"", 1) and sftp.open("/one/raw/then").read() == b"there", "with room again the next but one is taken",
   (third, fourth))
ok(kept and kept > 10000000, "what fitted of the first was there", kept)

# --- scp -f ---------------------------------------------------------------------------------------------------------------------------------------------
far = Far("scp -f /one/raw/after")
time.sleep(0.2)
ok(not far.channel.recv_ready(), "nothing is sent before the client asks")
far.say(b"\0")
ok(far.line() == b"C0600 2 after\n", "then the line")
time.sleep(0.2)
ok(not far.channel.recv_ready(), "and no byte before it is answered")
far.say(b"\1no room here\n")
ok(far.end() == (b"", 1), "a refused file is not sent")
far = Far("scp -p -f /one/raw/fast/7 /one/raw/nothing /one/raw/fast/8")
far.say(b"\0")
ok(far.line() == b"T7 0 7 0\n", "times")
far.say(b"\1no\n")
ok(far.line()[:5] == b"\1scp:", "refused times pass the file over")
ok(far.line() == b"T8 0 8 0\n", "and the next comes")
far.say(b"\0")
ok(far.line() == b"C0640 1 8\n", "with its line")
far.say(b"\0")
ok(far.channel.recv(10) == b"x\0", "and its bytes")
far.say(b"\0")
ok(far.end() == (b"", 1), "exit 1 for what was missing")
for words, said in (b"\2stop\n", "a fatal answer"), (b"x" * 9000, "an answer without an end"):
    far = Far("scp -r -f /one/raw")
    far.say(b"\0")
    far.line()
    far.say(words)
    ok(far.end() == (b"", 1), f"{said} ends it")
far = Far("scp -r -f /one/raw")
far.say(b"\0")
far.line()
far.eof()
ok(far.end() == (b"", 1), "so does the end of the input")
far = Far("scp -r -f /one/raw/fast")
far.say(b"\0" * 4000)
got, code = far.end()
ok(code == 0 and got.count(b"C0640 1 ") == 1000 and got.endswith(b"E\n"), "answers in advance are taken", (code, len(got)))
far = Far("scp -f /one/shrinks")
far.say(b"\0")
size = int(far.line().split()[1])
far.say(b"\0")
got = far.channel.recv(1)
sftp.truncate("/one/shrinks", 1000)
while len(got) < size:
    got += far.channel.recv(1 << 20)
while not got[size:].endswith(b"\n"):
    got += far.channel.recv(1 << 20)
answer = got[size:]
ok(got[:1000] == b"s" * 1000 and got[size - 1000:size] == b"\0" * 1000 and answer[:5] == b"\1scp:", "a file that shrinks is filled up with NULs, and it is said",
   (len(got), answer))
far.say(b"\0")
ok(far.end() == (b"", 1), "and goes on")
far = Far("scp -f '/one/raw/new\nline\\'")
far.say(b"\0")
sftp.open("/one/raw/new\nline\\", "w").close()
far = Far("scp -f '/one/raw/new\nline\\'")
far.say(b"\0")
ok(far.line() == b"C0644 0 new\\^Jline\\\\\n", "a newline in a name does not end the line")
far.channel.close()

# --- the command -------------------------------------------------------------------------------------------------------------------------------------------
for command, code in [("scp", 2), ("scp x y", 2), ("scp -t", 2), ("scp -f", 2), ("scp -t -f x", 2), ("scp -z -t x", 2), ("scp -t a b", 1),
                      ("scp -t /three", 1), ("scp -t /nothing/x", 1), ("scp -d -t /one/raw/after", 1), ("scp -d -t /one/raw/missing", 1),
                      ("scp -t ''", 1)]:
    got = Far(command).end()
    ok(got[1] == code, f"{command}: exit {code}", got)
far = sink("scp -v -q -p -t -- /one/raw/-x")
far.say("C0644 0 any\n")
far.answer()
far.say(b"\0")
far.answer()
far.eof()
ok(far.end()[1] == 0 and there("/one/raw/-x") == 0, "options, and a name that looks like one")
far = sink("scp -t /")
far.say("C0644 0 one\n")
first = far.answer()
far.say("C0644 0 four\n")
second = far.answer()
far.eof()
ok(first[:1] == second[:1] == b"\1" and far.end()[1] == 1, "no file is made beside the servers", (first, second))
print("ended")
