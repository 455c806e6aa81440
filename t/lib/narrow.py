"""As a ProxyCommand: HOST PORT, with a receive buffer so small that who stops it shuts TCP's window at once."""
import os
import select
import socket
import sys

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
s.connect((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else s.recv(8192)
        if not data:
            sys.exit()
        if ready == 0:
            s.sendall(data)
        else:
            os.write(1, data)
