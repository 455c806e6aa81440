#!/usr/bin/python3 -B
"""A connection that talks for as long as it may, for sys/marks.t.

  flow.py echo [ADDRESS,]PORT...     answers what comes there by TCP and UDP, from the address that was asked
  flow.py hold PROTO ADDRESS PORT    says something fifty times a second; a line for each answer, and "end" when it has an end
"""
import select
import socket
import sys
import time

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def echo(places):
    poll, of = select.epoll(), {}

    def add(s, how):
        of[s.fileno()] = s, how
        poll.register(s, select.EPOLLIN)

    def end(fd):
        poll.unregister(fd)
        of.pop(fd)[0].close()
    for place in places:
        address, _, port = place.rpartition(",")
        for kind in KINDS.values():
            s = socket.socket(socket.AF_INET if "." in address else socket.AF_INET6, kind)
            if not address:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.bind((address or "::", int(port)))
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            add(s, "listens" if kind == socket.SOCK_STREAM else "udp")
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            s, how = of[fd]
            try:
                if how == "listens":
                    add(s.accept()[0], "tcp")
                elif how == "udp":
                    s.sendto(*s.recvfrom(100))
                elif data := s.recv(100):
                    s.send(data)
                else:
                    end(fd)
            except OSError:
                if how == "tcp":
                    end(fd)


def hold(proto, address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, KINDS[proto])
    s.settimeout(5)
    while True:
        try:
            if s.gettimeout() == 5:
                s.connect((address, int(port)))
                s.settimeout(0.02)
            s.send(b"x")
            if not s.recv(100):
                raise ConnectionResetError
            print("answer", flush=True)
            time.sleep(0.02)
        except TimeoutError:
            pass
        except OSError:
            # A datagram is told that it was refused; the next may not be.
            if proto == "tcp":
                print("end", flush=True)
                return
            time.sleep(0.02)


what, *rest = sys.argv[1:]
if what == "echo":
    echo(rest)
else:
    hold(*rest)
