"""Threads, asyncio, processes with semaphores and shared memory, signals, SQLite in WAL mode, files watched and locked.  Prints results only."""
import asyncio
import fcntl
import hashlib
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading


def square(n):
    return n * n


def add(lock, count, block):
    for _ in range(200):
        with lock:
            count.value += 1
    block.buf[os.getpid() % 16] = 1


async def ask():
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    text = await reader.readline()
    slow = await asyncio.create_subprocess_exec("/bin/echo", "child", stdout=asyncio.subprocess.PIPE)
    return text, (await slow.communicate())[0]


def main():
    total, lock = [0], threading.Lock()

    def work():
        for _ in range(1000):
            with lock:
                total[0] += 1
    threads = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print("threads", total[0])
    print("asyncio", *asyncio.run(ask()))
    with multiprocessing.Pool(3) as pool:
        print("pool", sum(pool.map(square, range(100))))
    context = multiprocessing.get_context("spawn")
    guard, count, block = context.Lock(), context.Value("i", 0, lock=False), multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
    workers = [context.Process(target=add, args=(guard, count, block)) for _ in range(2)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    print("semaphore", count.value, "shared", any(block.buf[:16]))
    block.close()
    block.unlink()
    got = []
    signal.signal(signal.SIGALRM, lambda *_: got.append("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    print("signal", *got)
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(f"{folder}/db")
        print("sqlite", db.execute("pragma journal_mode = wal").fetchone()[0])
        db.execute("create table t (n)")
        with db:
            db.executemany("insert into t values (?)", [(n,) for n in range(1000)])
        print("rows", db.execute("select sum(n) from t").fetchone()[0])
        db.close()
        with open(f"{folder}/f", "w+b") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            f.write(b"x" * 8192)
            f.flush()
            with mmap.mmap(f.fileno(), 8192) as m:
                m[0] = 121
                m.flush()
            os.fsync(f.fileno())
            print("mapped", hashlib.sha256(open(f"{folder}/f", "rb").read()).hexdigest()[:12])
        os.mkfifo(f"{folder}/pipe")
        os.setxattr(f"{folder}/f", "user.x", b"1")
        print("xattr", os.getxattr(f"{folder}/f", "user.x"))
    a, b = socket.socketpair()
    socket.send_fds(a, [b"x"], [0])
    print("passed", len(socket.recv_fds(b, 1, 1)[1]))
    print("child", subprocess.run(["/bin/sh", "-c", "exit 7"]).returncode, subprocess.run(["/bin/sort"], input=b"b\na\n", capture_output=True).stdout)
    print("interfaces", any(name == "lo" for _, name in socket.if_nameindex()))
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.nice(1)
    print("memfd", os.write(os.memfd_create("x"), b"abc"))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main()
