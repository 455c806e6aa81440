"""SFTP in raw packets over `ssh -s`, by asyncio: many sessions at once, and a listing no client's formatting slows down."""
import asyncio
import struct
import time

INIT, VERSION, OPEN, CLOSE, WRITE, OPENDIR, READDIR, MKDIR = 1, 2, 3, 4, 6, 11, 12, 14
STATUS, HANDLE, NAME = 101, 102, 104
W, CREAT, TRUNC = 2, 8, 16
END_OF_FILE = 1


def string(x):
    x = x.encode() if isinstance(x, str) else x
    return struct.pack(">I", len(x)) + x


class Refused(Exception):
    pass


class Session:
    async def open(self, command):
        self.child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                                                          stderr=asyncio.subprocess.PIPE, limit=1 << 18)
        self.child.stdin.write(struct.pack(">IBI", 5, INIT, 3))
        try:
            kind = (await self.packet())[0]
        except asyncio.IncompleteReadError:
            said = (await self.child.stderr.read()).decode(errors="replace").strip()
            raise Refused(f"no session: {said[-200:] or 'the connection ended'}") from None
        if kind != VERSION:
            raise Refused(f"packet {kind} instead of a version")

    async def packet(self):
        return await self.child.stdout.readexactly(struct.unpack(">I", await self.child.stdout.readexactly(4))[0])

    async def ask(self, kind, *fields):
        """The answer's type and what follows its id."""
        body = struct.pack(">BI", kind, 7) + b"".join(fields)
        self.child.stdin.write(struct.pack(">I", len(body)) + body)
        answer = await self.packet()
        return answer[0], answer[5:]

    async def done(self, kind, *fields):
        answer, rest = await self.ask(kind, *fields)
        if answer != STATUS or struct.unpack(">I", rest[:4])[0]:
            raise Refused(f"request {kind}: packet {answer}: {rest[4:200]!r}")

    async def handle(self, kind, *fields):
        answer, rest = await self.ask(kind, *fields)
        if answer != HANDLE:
            raise Refused(f"request {kind}: packet {answer}: {rest[4:200]!r}")
        return rest

    async def put(self, path, data):
        handle = await self.handle(OPEN, string(path), struct.pack(">II", W | CREAT | TRUNC, 0))
        await self.done(WRITE, handle, struct.pack(">Q", 0), string(data))
        await self.done(CLOSE, handle)

    async def close(self):
        if self.child.returncode is None:
            self.child.stdin.close()
            try:
                await asyncio.wait_for(self.child.wait(), 20)
            except asyncio.TimeoutError:
                self.child.kill()
                await self.child.wait()


async def listing(command, folder, look):
    """(wall seconds, entries) of a whole listing; LOOK is called before and after it."""
    s = Session()
    await s.open(command)
    try:
        look()
        start, entries = time.monotonic(), 0
        handle = await s.handle(OPENDIR, string(folder))
        while True:
            kind, rest = await s.ask(READDIR, handle)
            number = struct.unpack(">I", rest[:4])[0]
            if kind == NAME:
                entries += number
            elif kind == STATUS and number == END_OF_FILE:
                break
            else:
                raise Refused(f"READDIR: packet {kind}: {rest[:200]!r}")
        await s.done(CLOSE, handle)
        wall = time.monotonic() - start
        look()
        return wall, entries
    finally:
        await s.close()


class Storm:
    """COUNT sessions started together; once all are in, each makes a folder and puts FILES files of 4 KiB into it, one after the other.  They leave
    together as well: to end clients is work for this program, which the last files of others would wait for."""
    def __init__(self, command, folder, count, files):
        self.command, self.folder, self.count, self.files = command, folder, count, files
        self.logins, self.sessions, self.times, self.failures = [], [], [], []

    async def one(self, i):
        s, data = Session(), bytes([i % 256]) * 4096
        start = time.monotonic()
        try:
            try:
                await asyncio.wait_for(s.open(self.command), 180)
                self.logins.append(time.monotonic() - start)
            finally:
                await self.all_in.wait()
            start = time.monotonic()
            await s.done(MKDIR, string(f"{self.folder}/{i}"), struct.pack(">I", 0))
            for n in range(self.files):
                begun = time.monotonic()
                await asyncio.wait_for(s.put(f"{self.folder}/{i}/{n}", data), 60)
                self.times.append(time.monotonic() - begun)
            self.sessions.append(time.monotonic() - start)
        except (Refused, OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as e:
            self.failures.append(f"session {i}: {e!r}")
        finally:
            await self.all_done.wait()
            if hasattr(s, "child"):
                await s.close()

    async def run(self):
        self.all_in, self.all_done = asyncio.Barrier(self.count), asyncio.Barrier(self.count)
        await asyncio.gather(*(self.one(i) for i in range(self.count)))
