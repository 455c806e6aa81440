#!/usr/bin/python3 -B
"""Work whose result is known after a power cut.

cut_work.py work FOLDER LOG     writes files, syncs each and its folder, and then says so in LOG; others are written, renamed and removed unsynced
cut_work.py check FOLDER LOG    each file that LOG has is whole
"""
import hashlib
import os
import random
import sys


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
                fd = os.open(f"kept{n}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                left = memoryview(data)
                while left:
                    left = left[os.write(fd, left):]
                os.fsync(fd)
                os.close(fd)
                os.rename(f"kept{n}.new", f"kept{n}")
                os.fsync(top)
                out.write(f"kept{n} {hashlib.sha256(data).hexdigest()}\n")
            except OSError as e:
                if e.errno not in (28, 122):
                    raise
                for name in os.listdir("."):
                    if name.startswith(("loose", "moved")) or name.endswith(".new"):
                        os.unlink(name)


def check(folder, log):
    bad = total = 0
    with open(log, encoding="ascii") as lines:
        for line in lines:
            name, digest = line.split()
            total += 1
            try:
                with open(os.path.join(folder, name), "rb") as f:
                    bad += hashlib.sha256(f.read()).hexdigest() != digest
            except OSError:
                bad += 1
    print(f"{bad} of {total}")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit({"work": work, "check": check}[sys.argv[1]](*sys.argv[2:]))
