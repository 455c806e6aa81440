#!/usr/bin/python3 -B
"""SFTP by paramiko: handles, ranges, pipelined requests, attributes, limits.  paramiko_files.py HOST PORT KEY"""
import stat
import sys
import os
import paramiko

from results import ok

def refused(call, *args):
    try:
        call(*args)
    except (OSError, paramiko.SSHException) as e:
        return str(e) or type(e).__name__
    return None


host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(host, port, "alice", key_filename=key, allow_agent=False, look_for_keys=False, timeout=20)
sftp = client.open_sftp()

data = os.urandom(1_000_003)
with sftp.open("/one/p", "wb") as f:
    f.set_pipelined(True)
    f.write(data)
ok(sftp.stat("/one/p").st_size == len(data), "pipelined writes")
with sftp.open("/one/p", "rb") as f:
    ok(f.read() == data, "read back")
    f.seek(999_999)
    ok(f.read() == data[999_999:], "read at an offset, up to the end")
    f.seek(5_000_000)
    ok(f.read(10) == b"", "read past the end is the end")
    ok(list(f.readv([(0, 10), (500_000, 70_000), (1_000_000, 3)])) == [data[:10], data[500_000:570_000], data[1_000_000:]], "many reads at once")
    ok(refused(f.write, b"x"), "a handle for reading does not write")
with sftp.open("/one/p", "r+b") as f:
    f.seek(100)
    f.write(b"HERE")
    f.seek(98)
    ok(f.read(8) == data[98:100] + b"HERE" + data[104:106], "read and write by one handle")
with sftp.open("/one/p", "ab") as f:
    f.write(b"END")
ok(sftp.stat("/one/p").st_size == len(data) + 3, "append")
ok(refused(sftp.open, "/one/p", "wx"), "exclusive creation of what is there is refused")
with sftp.open("/one/new", "wx") as f:
    f.write("x")
ok(sftp.stat("/one/new").st_size == 1, "exclusive creation")
with sftp.open("/one/hole", "wb") as f:
    f.seek(10_000_000)
    f.write(b"!")
ok(sftp.stat("/one/hole").st_size == 10_000_001, "a write far past the end makes a hole")
with sftp.open("/one/hole", "rb") as f:
    f.seek(5_000_000)
    ok(f.read(10) == b"\0" * 10, "that reads as zeros")

sftp.truncate("/one/p", 10)
ok(sftp.stat("/one/p").st_size == 10, "setstat of the size cuts")
sftp.truncate("/one/p", 100)
with sftp.open("/one/p", "rb") as f:
    ok(f.read()[10:] == b"\0" * 90, "and grows with zeros")
sftp.utime("/one/p", (1_000_000_000, 1_100_000_000))
s = sftp.stat("/one/p")
ok((s.st_atime, s.st_mtime) == (1_000_000_000, 1_100_000_000), "setstat of the times", str(s))
sftp.chmod("/one/p", 0o7640)
ok(stat.S_IMODE(sftp.stat("/one/p").st_mode) in (0o640, 0o1640), "setstat of the mode masks set-id bits", oct(sftp.stat("/one/p").st_mode))
me = sftp.stat("/one/p")
ok(refused(sftp.chown, "/one/p", me.st_uid, me.st_gid) is None, "an ownership change that changes nothing succeeds")
ok(refused(sftp.chown, "/one/p", 0, 0), "any other is refused")
with sftp.open("/one/p", "r+b") as f:
    f.chmod(0o600)
    f.truncate(7)
    f.utime((5, 6))
    s = f.stat()
    ok((stat.S_IMODE(s.st_mode), s.st_size, s.st_mtime) == (0o600, 7, 6), "fsetstat, fstat", str(s))

sftp.symlink("p", "/one/link")
ok(sftp.readlink("/one/link") == "p", "readlink")
ok(stat.S_ISLNK(sftp.lstat("/one/link").st_mode) and stat.S_ISREG(sftp.stat("/one/link").st_mode), "lstat and stat of a symlink")
ok(refused(sftp.rename, "/one/new", "/one/p"), "plain rename does not replace")
ok(refused(sftp.posix_rename, "/one/new", "/one/p") is None, "posix-rename does")
ok(sftp.normalize("/one/../one/./p") == "/one/p", "realpath", sftp.normalize("/one/../one/./p"))
ok(sftp.normalize("/../..") == "/", "realpath stays in the root")
ok(sftp.normalize(".") == "/", "realpath of . is where one starts")

for bad in ("/one/p\0q", "/one/a\0/../b"):
    ok(refused(sftp.open, bad, "wb"), "a NUL in a name is refused")
ok(refused(sftp.open, "/one/" + "y" * 5000, "wb"), "a path too long is refused")
ok(refused(sftp.listdir, "/one/p"), "a file is no folder")
ok(refused(sftp.open, "/one", "rb"), "a folder is no file")
ok(sorted(sftp.listdir("/")) == [".ssh", "backups", "one", "two"], "the root's listing")

handles, said = [], None
for i in range(40):
    try:
        handles.append(sftp.open(f"/one/h{i}", "wb"))
    except OSError as e:
        said = str(e)
        break
ok(len(handles) == 32, "32 handles a channel", f"{len(handles)} {said}")
ok(bool(said), "the 33rd is refused with words", str(said))
handles[0].close()
ok(refused(lambda: sftp.open("/one/again", "wb").close()) is None, "one closed, one opens")
for h in handles[1:]:
    h.close()

second = client.open_sftp()
ok(sorted(second.listdir("/")) == [".ssh", "backups", "one", "two"], "a second SFTP channel on the connection")
_, out, _ = client.exec_command("whoami", timeout=20)
ok("alice" in out.read().decode(), "and a command beside them")
second.close()
ok(sftp.stat("/one/p").st_size >= 0, "the first channel lives on")

# Too long a packet ends the channel, not the daemon.
channel = client.get_transport().open_session()
channel.invoke_subsystem("sftp")
channel.sendall(b"\x7f\xff\xff\xff" + b"\x01" + b"\0" * 1000)
channel.settimeout(10)
try:
    rest = channel.recv(100)
    ok(rest == b"" or len(rest) < 100, "a packet of 2 GiB is refused")
except (TimeoutError, OSError) as e:
    ok(False, "a packet of 2 GiB is refused", repr(e))
client.close()

client.connect(host, port, "alice", key_filename=key, allow_agent=False, look_for_keys=False, timeout=20)
ok("p" in client.open_sftp().listdir("/one"), "a new connection finds it all")
client.close()
sys.exit(ok.failed != 0)
