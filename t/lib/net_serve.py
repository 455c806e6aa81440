#!/usr/bin/python3 -B
"""Answers on each of the ports given, TCP and UDP, IPv4 and IPv6: "tcp ADDRESS", the peer's.  Prints "ready"."""
import socket
import sys
import threading


def open_one(kind, port):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.bind(("::", port))
    return s


def plain(address):
    return address.removeprefix("::ffff:")


def streams(s):
    s.listen(64)
    while True:
        peer, address = s.accept()
        threading.Thread(target=stay, args=(peer, address), daemon=True).start()


def stay(peer, address):
    """Then whatever comes goes back: for connections that live on."""
    try:
        peer.sendall(f"tcp {plain(address[0])}".encode())
        while data := peer.recv(65536):
            peer.sendall(data)
    except OSError:
        pass
    peer.close()


def datagrams(s):
    while True:
        try:
            _, where, _, address = s.recvmsg(2000, 256)
            # From the address it was asked at.
            s.sendmsg([f"udp {plain(address[0])}".encode()], where, 0, address)
        except OSError:
            pass


for word in sys.argv[1:]:
    for kind, serve in ((socket.SOCK_STREAM, streams), (socket.SOCK_DGRAM, datagrams)):
        threading.Thread(target=serve, args=(open_one(kind, int(word)),)).start()
print("ready", flush=True)
