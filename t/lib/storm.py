#!/usr/bin/python3
"""Strangers in a storm, for SECONDS against HOST:PORT, from addresses 127.0.SUBNET.1 to .254: garbage, half a greeting, silence, resets, a
crowd of 200 that hold on.  Prints what it did."""
import os, random, select, socket, struct, sys, time

host, port, seconds, subnet = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
end = time.time() + seconds
count = {"tries": 0, "refused": 0, "crowd": 0}

def dial(n):
    s = socket.socket()
    s.settimeout(2)
    s.bind((f"127.0.{subnet}.{n % 254 + 1}", 0))
    s.connect((host, port))
    return s

def garbage(s):
    s.sendall(os.urandom(random.randrange(1, 20000)))

def greeting(s):
    s.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + os.urandom(random.randrange(0, 4000)))

def lengths(s):
    s.recv(200)
    s.sendall(b"SSH-2.0-x\r\n" + struct.pack(">IB", random.choice((0, 1, 35000, 0x7fffffff, 0xffffffff)), 200) + os.urandom(300))

def slowly(s):
    for b in b"SSH-2.0-slow":
        s.sendall(bytes((b,)))
        time.sleep(0.01)

def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

def line(s):
    s.sendall(b"GET / HTTP/1.1\r\n" * 200)

def crowd():
    held = []
    for i in range(200):
        try:
            held.append(dial(i))
        except OSError:
            count["refused"] += 1
    count["crowd"] += len(held)
    time.sleep(1)
    for s in held:
        s.close()

n = 0
next_crowd = time.time() + 2
while time.time() < end:
    n += 1
    if time.time() > next_crowd:
        crowd()
        next_crowd = time.time() + 12
    try:
        s = dial(n)
        random.choice((garbage, greeting, lengths, slowly, reset, line))(s)
        s.close()
        count["tries"] += 1
    except OSError:
        count["refused"] += 1
    time.sleep(0.02)
print(" ".join(f"{k}={v}" for k, v in count.items()))
