"""delay.py PID MS: relays packets between a TUN device `near` here and one `far` in PID's network namespace, MS milliseconds later."""
import collections
import ctypes
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, TUN, NO_PI, NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
MTU = 9000        # few packets: the relay takes CPU from both ends
QUEUE = 20000     # packets


def device(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), TUN | NO_PI))
    os.system(f"ip link set {name} mtu {MTU} txqueuelen {QUEUE}")
    return fd


def enter(pid):
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, NEWNET):
        sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")
    os.close(fd)


def fetch(fd, queue, delay):
    try:
        while True:
            packet = os.read(fd, 65536)
            queue.append((time.monotonic() + delay, packet))
    except OSError:
        pass


def deliver(fd, queue):
    now = time.monotonic()
    while queue and queue[0][0] <= now:
        try:
            os.write(fd, queue.popleft()[1])
        except OSError:
            pass   # the other device is not up yet


def main():
    delay = int(sys.argv[2]) / 1000
    near = device("near")
    enter(int(sys.argv[1]))
    far = device("far")
    to = {near: (far, collections.deque()), far: (near, collections.deque())}
    while True:
        due = [q[0][0] for _, q in to.values() if q]
        wait = max(0, min(due) - time.monotonic()) if due else None
        for fd in select.select(list(to), [], [], wait)[0]:
            fetch(fd, to[fd][1], delay)
        for fd, queue in to.values():
            deliver(fd, queue)


main()
