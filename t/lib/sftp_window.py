#!/usr/bin/python3 -B
"""What a client may have on its way to us.  sftp_window.py HOST PORT KEY"""
import sys

from results import ok
from sftp_raw import CREAT, Raw, TRUNC, W, WRITE, connect, s, u64

MIB = 1 << 20
host, port, key = sys.argv[1:4]
client = connect(host, port, key)
channel = client.get_transport().open_session()
channel.invoke_subsystem("sftp")
channel.settimeout(60)
raw = Raw(channel.sendall, channel.recv)
ok(channel.out_window_size < 2 * MIB, "a channel that has sent nothing has a small window", channel.out_window_size)
h = raw.open("/one/window", W | CREAT | TRUNC)
block, least = b"x" * 32768, 1 << 40
for at in range(0, 16 * MIB, len(block)):
    assert raw.status(WRITE, s(h), u64(at), s(block))[0] == 0
    if at >= 4 * MIB:
        least = min(least, channel.out_window_size)
ok(least >= 15 * MIB // 8, "one that sends much has never less than two MiB, about", least)
ok(channel.out_window_size <= 3 * MIB, "and never more than three", channel.out_window_size)
raw.close(h)
sys.exit(ok.failed != 0)
