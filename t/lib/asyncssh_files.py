#!/usr/bin/python3 -B
"""SFTP by asyncssh: trees, links, many requests at once, limits.  asyncssh_files.py HOST PORT KEY FOLDER; FOLDER holds tree, links, big.
Remote files are made in /big and, where the disk is to be full, /two."""
import asyncio
import os
import sys

import asyncssh

from results import ok

host, port, key, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


async def refused(what):
    try:
        await what
    except asyncssh.SFTPError as e:
        return e.reason
    return None


def connect(user="alice"):
    return asyncssh.connect(host, port, username=user, client_keys=[key], known_hosts=None, config=None, agent_path=None)


async def trees(s):
    await s.put(f"{folder}/tree", "/big/tree", recurse=True, preserve=True)
    await s.get("/big/tree", f"{folder}/tree.back", recurse=True, preserve=True)
    await s.put(f"{folder}/links", "/big/links", recurse=True, follow_symlinks=False)
    await s.get("/big/links", f"{folder}/links.back", recurse=True, follow_symlinks=False)
    here = sorted(os.listdir(os.fsencode(f"{folder}/tree")))
    got = sorted(os.path.basename(n) for n in await s.glob(b"/big/tree/*e*"))
    ok(got == [n for n in here if b"e" in n], "glob", got)
    ok(sorted(n for n in await s.listdir(b"/big/tree") if n not in (b".", b"..")) == here, "listdir")
    ok(sorted([n.filename async for n in s.scandir("/") if n.filename not in (".", "..")]) == [".ssh", "backups", "big", "one", "two"], "scandir of /")
    await s.copy("/big/tree/mid", "/big/copied")
    with open(f"{folder}/tree/mid", "rb") as f:
        want = f.read()
    async with s.open("/big/copied", "rb") as f:
        ok(await f.read() == want, "copy from the server to the server")


async def single(s):
    v = await s.statvfs("/big")
    ok(v.bavail * v.frsize > 1 << 28 and v.namemax == 255, "statvfs")
    await s.symlink("copied", "/big/soft")
    ok(await s.readlink("/big/soft") == "copied", "symlink, readlink")
    await s.link("/big/copied", "/big/hard")
    await s.posix_rename("/big/hard", "/big/soft")
    ok(await s.getsize("/big/soft") == await s.getsize("/big/copied") and not await s.islink("/big/soft"), "link, posix_rename")
    await s.truncate("/big/soft", 12345)
    ok(await s.getsize("/big/copied") == 12345, "truncate, seen by the other name")
    await s.utime("/big/soft", (1000, 2000))
    ok(await s.getmtime("/big/soft") == 2000, "utime")
    async with s.open("/big/app", "ab+") as f:
        await f.write(b"one ")
        await f.write(b"two")
        await f.fsync()
        ok(await f.read(100, 0) == b"one two", "append, fsync, read")
    await s.makedirs("/big/a/b/c", exist_ok=True)
    await s.makedirs("/big/a/b/c", exist_ok=True)
    await s.rmtree("/big/a")
    ok(not await s.exists("/big/a"), "makedirs, rmtree")
    ok(await s.realpath("/big/../one") == "/one", "realpath")
    ok("no such file" in (await refused(s.stat("/big/none")) or ""), "what is not there is said not to be")


async def at_once(s):
    async def one(i):
        data = os.urandom(200_000 + i)
        async with s.open(f"/big/at.{i}", "wb+") as f:
            await f.write(data)
            await f.seek(0)
            return await f.read() == data
    ok(all(await asyncio.gather(*[one(i) for i in range(30)])), "30 files written and read at once")
    got = await asyncio.gather(*[s.stat(f"/big/at.{i % 30}") for i in range(3000)])
    ok([g.size for g in got] == [200_000 + i % 30 for i in range(3000)], "3,000 requests at once")
    opened, said = [], None
    for i in range(200):
        try:
            opened.append(await s.open(f"/big/at.{i % 30}", "rb"))
        except asyncssh.SFTPError as e:
            said = said or (len(opened), e.code, e.reason)
    ok(said == (32, asyncssh.FX_FAILURE, "too many open handles (at most 32)"), "of 200 open files the 33rd is refused with words", said)
    ok(await opened[31].read(10, 0) is not None, "those before live on")
    for f in opened:
        await f.close()
    many = await asyncio.gather(*[s.open(f"/big/at.{i % 30}", "rb") for i in range(200)], return_exceptions=True)
    good = [f for f in many if not isinstance(f, Exception)]
    ok(len(good) == 32, "the same when all 200 are asked for at once", len(good))
    for f in good:
        await f.close()
    await asyncio.gather(*[s.remove(f"/big/at.{i}") for i in range(30)])


async def full(s):
    await s.put(f"{folder}/tree/mid", "/two/precious")
    ok("quota exceeded (" in (await refused(s.put(f"{folder}/big", "/two/big")) or ""), "a disk too small is said to be")
    ok("quota exceeded (" in (await refused(s.put(f"{folder}/big", "/two/precious")) or ""), "and over what is there")
    async with s.open("/two/precious", "rb") as f, s.open("/big/tree/mid", "rb") as g:
        ok(await f.read() == await g.read(), "which is unharmed")
    await s.remove("/two/big")


async def channels(c):
    clients = [await c.start_sftp_client() for _ in range(9)]
    ok(all(await asyncio.gather(*[x.exists("/big/copied") for x in clients])), "10 channels at once")
    try:
        await c.start_sftp_client()
        ok(False, "the 11th is refused")
    except asyncssh.ChannelOpenError as e:
        ok(True, f"the 11th is refused: {e.reason}")
    for x in clients:
        x.exit()
        await x.wait_closed()


async def main():
    async with connect() as c, c.start_sftp_client() as s:
        await trees(s)
        await single(s)
        await at_once(s)
        await full(s)
        await channels(c)
        ok(await s.exists("/big/copied"), "the first goes on")
    async with connect("alice+big") as c, c.start_sftp_client() as s:
        ok(await s.exists("copied"), "as ACCOUNT+SERVER the server is the top")


asyncio.run(main())
sys.exit(ok.failed != 0)
