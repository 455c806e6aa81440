#!/usr/bin/python3 -B
"""A download by clients that give back their window as OpenSSH's never would.  sftp_pace.py HOST PORT KEY"""
import os
import sys
import time

from paramiko.common import cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message
from results import ok
from sftp_raw import DATA, READ, R, Raw, connect, s, subsystem, u32, u64

KIB, MIB = 1 << 10, 1 << 20
SIZE, WINDOW, BLOCK, STEP = 8 * MIB, 2 * MIB, 32 * KIB, 64 * KIB
PATIENCE = 20     # seconds behind which nothing comes any more: a session that holds back without a timer does so for good
IDLE = 20         # of answers in a row with no byte of the channel in front of them: held back, there are hundreds


class Download:
    """The whole file is asked for at once.  Nothing is given back but by `give`."""

    def __init__(self, client):
        self.transport = client.get_transport()
        self.channel = self.transport.open_session(window_size=WINDOW)
        self.channel._check_add_window = lambda n: 0
        self.channel.settimeout(PATIENCE)
        self.channel.invoke_subsystem("sftp")
        self.granted, self.taken = WINDOW, 0
        self.raw = Raw(self.channel.sendall, self.take)
        handle = self.raw.open("/one/paced", R)
        self.asked = [self.raw.post(READ, s(handle), u64(at), u32(BLOCK)) for at in range(0, SIZE, BLOCK)]

    def take(self, n):
        data = self.channel.recv(n)
        self.taken += len(data)
        return data

    def received(self):
        return self.taken + len(self.channel.in_buffer)

    def give(self, n):
        m = Message()
        m.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
        m.add_int(self.channel.remote_chanid)
        m.add_int(n)
        self.transport._send_user_message(m)
        self.granted += n

    def used_up(self):
        """All of the window that was given comes to be used."""
        until = time.monotonic() + PATIENCE
        while self.received() < self.granted and time.monotonic() < until:
            time.sleep(0.001)
        return self.received() == self.granted

    def longest_silence(self):
        """Until the window is used up: how many answers in a row came with no byte of the channel between them, which all go the same way."""
        most = row = 0
        while self.received() < self.granted and most < 10 * IDLE:
            before = self.received()
            self.transport.global_request("keepalive@holdfast", wait=True)
            row = row + 1 if self.received() == before else 0
            most = max(most, row)
        return most

    def rest(self):
        data = []
        for ident in self.asked:
            while len(self.channel.in_buffer) < 2 * BLOCK and self.granted < SIZE + MIB:
                self.give(STEP)
                if self.granted < SIZE:
                    self.used_up()
            kind, r = self.raw.wait(ident)
            assert kind == DATA, kind
            data.append(r.s())
        return b"".join(data)


host, port, key = sys.argv[1:4]
client = connect(host, port, key)
content = os.urandom(SIZE)
subsystem(client).write("/one/paced", content)

# As often as the session holds back, and once more.
d = Download(client)
ok(d.used_up(), "the first window is used up", d.received())
for stall in range(4):
    for _ in range(8):
        d.give(STEP)
    good = d.used_up()
    ok(good, f"stall {stall + 1}: what was given back in small steps is used up though nothing more is said", (d.received(), d.granted))
    if not good:
        sys.exit(1)
ok(d.rest() == content, "it goes on in small steps and has every byte")

d = Download(client)
ok(d.used_up(), "another one: the first window is used up", d.received())
for i in range(3):
    d.give(WINDOW)
    silence = d.longest_silence()
    ok(silence < IDLE, f"window {i + 1} that is given back at once: nothing of it is held back", silence)
ok(d.rest() == content, "and it has every byte")
client.close()
sys.exit(ok.failed != 0)
