"""crowd.py FOLDER ACCOUNTS KEYS: writes ini files of many accounts, with as many keys, into FOLDER, a configuration's accounts.d.

A tenth of the accounts has its keys in a keys_file each, beside the ini files; the others have them in `key =` lines.  The keys are of the
right form and nobody's."""
import base64
import os
import struct
import sys

EACH_FILE = 1000   # accounts an ini file: 1 MiB is the most that is read
HEAD = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"


def name(number):
    """Spread over the alphabet, so that neither end of a sorted list is special."""
    return f"{'abcdefghijklmnopqrstuvwxyz'[number % 26]}crowd{number}"


def line(number, which):
    point = struct.pack(">II24x", number + 1, which + 1)
    return f"ssh-ed25519 {base64.b64encode(HEAD + point).decode()} key{which}"


def put(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)


def write(folder, accounts, keys):
    for first in range(0, accounts, EACH_FILE):
        text = []
        for number in range(first, min(first + EACH_FILE, accounts)):
            lines = [line(number, which) for which in range(keys * (number + 1) // accounts - keys * number // accounts)]
            text.append(f"[account {name(number)}]\n")
            if number % 10:
                text += [f"key = {one}\n" for one in lines]
            else:
                put(f"{folder}/{name(number)}.keys", "\n".join(lines) + "\n")
                text.append(f"keys_file = {name(number)}.keys\n")
        put(f"{folder}/crowd{first // EACH_FILE:05}.ini", "".join(text))


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
