#!/usr/bin/python3 -B
"""The two ends of what must not get through, for sys/gap.t.

  gap.py count KIND=PORT...              counts datagrams and connections at each port; then prints "KIND udp N" and "KIND tcp N" of each
  gap.py flood [SOURCE] TO,PORT...       datagrams to each, one after the other, as fast as it can; then prints "sent N"
  gap.py connect FREE TO,PORT...         the same with connections; those to FREE must be made.  Then prints "made N lost N tried N
                                         through N": of those tried

Each goes on until there is input, or its end.
"""
import select
import socket
import sys


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def goes_on():
    return not select.select([sys.stdin], [], [], 0)[0]


def places(words):
    return [(to, int(port)) for to, port in (word.rsplit(",", 1) for word in words)]


def count(words):
    poll, of, counts = select.epoll(), {}, {}
    for kind, port in (word.split("=") for word in words):
        for proto, how in (("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)):
            s = socket.socket(socket.AF_INET6, how)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::", int(port)))
            if proto == "tcp":
                s.listen(1024)
            s.setblocking(False)
            poll.register(s, select.EPOLLIN)
            of[s.fileno()] = s, (kind, proto)
            counts[kind, proto] = 0
    poll.register(sys.stdin, select.EPOLLIN)
    print("ready", flush=True)
    done = False
    while not done:
        for fd, _ in poll.poll():
            if fd == sys.stdin.fileno():
                done = True
                continue
            s, key = of[fd]
            try:
                if key[1] == "udp":
                    s.recv(100)
                else:
                    s.accept()[0].close()
                counts[key] += 1
            except OSError:
                pass
    for (kind, proto), n in counts.items():
        print(kind, proto, n)


def flood(source, to):
    sockets, n = [], 0
    for address, port in to:
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        if source:
            s.bind((source, 0))
        s.setblocking(False)
        sockets.append((s, (address, port)))
    while goes_on():
        for _ in range(64):
            for s, where in sockets:
                try:
                    s.sendto(b"x", where)
                    n += 1
                except OSError:
                    pass
    print("sent", n)


def made(address, port, patience):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(patience)
    try:
        return s.connect_ex((address, port)) == 0
    finally:
        # Without a wait of a minute for each port used.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()


def connect(free, to):
    tried, got, lost, through = 0, 0, 0, 0
    while goes_on():
        for where in to:
            through += made(*where, 1)
            tried += 1
        # It is known to be lost when it is sent again and again.
        if made(*free, 10):
            got += 1
        else:
            lost += 1
    print("made", got, "lost", lost, "tried", tried, "through", through)


what, *rest = sys.argv[1:]
if what == "count":
    count(rest)
elif what == "flood":
    with_source = "," not in rest[0]
    flood(rest[0] if with_source else "", places(rest[with_source:]))
else:
    connect(*places(rest[:1]), places(rest[1:]))
