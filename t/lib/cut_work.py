#!/usr/bin/python3 -B
"""Work whose result is known after a power cut.

cut_work.py work FOLDER LOG     writes files, syncs each and its folder, and then says so in LOG; others are written, renamed and removed unsynced
cut_work.py check FOLDER LOG    each file that LOG has is whole, and as new as it says or newer
"""
import hashlib
import os
import random
import sys

KEPT = 150  # names; past them the oldest is replaced, so that the disk never is full of what must stay


def work(folder, log):
    r, n = random.Random(5), 0
    os.chdir(folder)
    top = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    with open(log, "a", encoding="ascii", buffering=1) as out:
        while True:
            n += 1
            data = r.randbytes(r.choice((10, 4096, 20000, 70000)))
            try:
                if n % 3:
                    with open(f"loose{n % 20}", "wb") as f:
                        f.write(data * 3)
                    os.replace(f"loose{n % 20}", f"moved{n % 7}")
                    continue
                name = f"kept{n // 3 % KEPT}"
                fd = os.open(name + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                left = memoryview(f"{n} {hashlib.sha256(data).hexdigest()}\n".encode() + data)
                while left:
                    left = left[os.write(fd, left):]
                os.fsync(fd)
                os.close(fd)
                os.rename(name + ".new", name)
                os.fsync(top)
                out.write(f"{name} {n}\n")
            except OSError as e:
                if e.errno not in (28, 122):
                    raise
                for name in os.listdir("."):
                    if name.startswith(("loose", "moved")) or name.endswith(".new"):
                        os.unlink(name)


def whole(path, least):
    with open(path, "rb") as f:
        n, digest = f.readline().split()
        return int(n) >= least and hashlib.sha256(f.read()).hexdigest() == digest.decode()


def check(folder, log):
    bad, wanted = 0, {}
    with open(log, encoding="ascii") as lines:
        for line in lines:
            name, n = line.split()
            wanted[name] = int(n)
    for name, n in wanted.items():
        try:
            bad += not whole(os.path.join(folder, name), n)
        except (OSError, ValueError):
            bad += 1
    print(f"{bad} of {len(wanted)}")
    return 1 if bad or not wanted else 0


if __name__ == "__main__":
    sys.exit({"work": work, "check": check}[sys.argv[1]](*sys.argv[2:]))
