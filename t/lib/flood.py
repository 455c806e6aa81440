#!/usr/bin/python3 -B
"""A flood and good users beside it: flood.py [--silent N] [--wrong N] [--seconds S] [--few], for the rig in the environment (t/rig up, exported).

N connections from many loopback addresses that never log in (a third says nothing, others half a greeting, a greeting and half a packet, or
they finish the key exchange and stop) and N wrong passwords from as many, spread over S seconds; --few: all of it from four addresses.
Meanwhile 20 users with keys, from addresses of their own, ask for the status and put and get a file, again and again.
Prints lines "ok ..." and "not ok ..." and figures behind a #; the exit code is 1 when one is not ok."""
import argparse
import collections
import concurrent.futures
import ctypes
import logging
import multiprocessing
import os
import random
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "lib"))
from measure import percentile, program, pss, read, tree

import paramiko

HOST, PORT, TOOL, RUN, CONFIG, KEY = (os.environ[k] for k in ("HOST", "PORT", "TOOL", "RUN", "CONFIG", "KEY"))
PID = int(os.environ["SERVER_PID"])
USERS, WITHIN, CALM = 20, 2.0, 0.4        # seconds, at p99: beside a flood, without one
GREETING = b"SSH-2.0-OpenSSH_9.2\r\n"
SAYS = (b"", b"", b"SSH-2.0-Open", GREETING, GREETING + b"\0\0\4\xf4\x0a\x14" + bytes(100))
logging.getLogger("paramiko").setLevel(logging.CRITICAL)
failed = []


def say(good, text):
    print(("ok " if good else "not ok ") + text, flush=True)
    if not good:
        failed.append(text)


def own_end():
    """A child ends with us.  Real strangers take no time from our processors."""
    os.nice(10)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# --- the flood ------------------------------------------------------------------------------------------------------------------------------

def source(few):
    return f"127.77.77.{random.randrange(1, 5)}" if few else f"127.{random.randrange(20, 220)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def dial(few):
    s = socket.socket()
    s.settimeout(5)
    s.bind((source(few), 0))
    s.connect((HOST, int(PORT)))
    return s


def ended(held, wait):
    """Closes those that the other side has ended."""
    poll = select.poll()
    for fd in held:
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll(wait * 1000):
        try:
            if held[fd].recv(4096):
                continue
        except OSError:
            pass
        held.pop(fd).close()


def silent(count, seconds, few, tally):
    own_end()
    held, start = {}, time.monotonic()
    for number in range(count):
        ended(held, max(0, start + number * seconds / count - time.monotonic()))
        try:
            s = dial(few)
            held[s.fileno()] = s
            s.send(SAYS[number % len(SAYS)])
            tally[0] += 1
        except OSError:
            tally[1] += 1
    while held and time.monotonic() < start + seconds + 25:
        ended(held, 0.2)


def each(number_of, seconds, one, tally):
    """ONE() at an even pace; behind it as fast as it goes, but not for longer than twice the time."""
    own_end()
    start = time.monotonic()
    for number in range(number_of):
        now = time.monotonic() - start
        if now > 2 * seconds:
            return
        time.sleep(max(0, number * seconds / number_of - now))
        one(tally)


def exchange(few):
    """A connection behind its key exchange, or None."""
    transport = None
    try:
        transport = paramiko.Transport(dial(few))
        transport.banner_timeout = transport.auth_timeout = 20
        transport.start_client(timeout=20)
        return transport
    except (OSError, EOFError, paramiko.SSHException):
        if transport:
            transport.close()
        return None


def exchanged(count, seconds, few, tally):
    held = collections.deque()

    def one(tally):
        transport = exchange(few)
        tally[0 if transport else 1] += 1
        if transport:
            held.append(transport)
        while held and (len(held) > 100 or not held[0].is_active()):
            held.popleft().close()
    each(count, seconds, one, tally)
    for transport in held:
        transport.close()
    os._exit(0)          # not its threads


def wrong(count, seconds, few, tally):
    def one(tally):
        transport = exchange(few)
        if transport is None:
            tally[1] += 1
            return
        try:
            transport.auth_password(random.choice(("bob", "bob", "alice", "root", f"user{random.randrange(1000)}")), "a wrong one")
            tally[2] += 1
        except paramiko.AuthenticationException:
            tally[0] += 1
        except (OSError, EOFError, paramiko.SSHException):
            tally[1] += 1
        transport.close()
    each(count, seconds, one, tally)
    os._exit(0)


def begin(args):
    """The processes of the flood, each with its tally: what came through, what did not, wrong passwords that were right."""
    few = args.few
    parts = [(silent, args.silent - args.silent // 25), (exchanged, args.silent // 25), *[(wrong, args.wrong // 4)] * 4]
    flood = []
    for fn, count in parts:
        tally = multiprocessing.Array("i", 3)
        child = multiprocessing.Process(target=fn, args=(count, args.seconds, few, tally))
        child.start()
        flood.append((fn, count, tally, child))
    return flood


# --- good users -----------------------------------------------------------------------------------------------------------------------------

def user(number):
    return f"guest{number}"


def prepare():
    with open(KEY + ".pub") as f:
        key = f.read().strip()
    files = {"accounts.d/guests.ini": "".join(f"[account {user(n)}]\nkey = {key}\n" for n in range(USERS)),
             "servers.d/shared.ini": "[server shared]\nowner = alice\ncommand = ./run\ndisk = 64M\n"
                                     + "".join(f"allow = {user(n)}: status files.read files.write\n" for n in range(USERS))}
    for name, text in files.items():
        with open(os.open(f"{CONFIG}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
    subprocess.run([TOOL, "--run", RUN, "reload"], check=True, stdout=subprocess.DEVNULL)


class Good:
    """The users at work until `stop`; walls of each client, from its start to its end, and what failed."""
    def __init__(self, folder):
        self.folder, self.walls, self.failures, self.stop = folder, [], [], False
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(USERS)]
        for t in self.threads:
            t.start()

    def client(self, number, words, text=None):
        options = ["-F", os.environ["SSH_CONFIG"], "-o", f"User={user(number)}", "-o", f"BindAddress=127.9.1.{number + 1}",
                   "-o", f"IdentityFile={KEY}", "-o", "ConnectTimeout=30"]
        start = time.monotonic()
        done = subprocess.run([words[0], *options, *words[1:]], input=text, text=True, capture_output=True, timeout=60)
        self.walls.append(time.monotonic() - start)
        if done.returncode not in (0, 3):       # 3: the server does not run
            self.failures.append(f"{words[0]}: {done.returncode}: {done.stderr.strip()[-200:]}")
        return done.stdout

    def work(self, number):
        local = f"{self.folder}/{number}"
        turn = 0
        while not self.stop:
            turn += 1
            word = f"{number} {turn}\n"
            with open(local, "w") as f:
                f.write(word * 2000)
            try:
                self.client(number, ["ssh", "host", "status", "shared"])
                self.client(number, ["sftp", "-b", "-", "host"], f"put {local} /shared/{number}\nget /shared/{number} {local}.back\n")
                if read(local + ".back") != word * 2000 and not self.failures:
                    self.failures.append("a file came back as another")
            except subprocess.TimeoutExpired:
                self.failures.append("a client did not end")
            time.sleep(1 + random.random())

    def end(self):
        self.stop = True
        for t in self.threads:
            t.join(120)
        return self.walls, self.failures


# --- what it costs --------------------------------------------------------------------------------------------------------------------------

def state():
    """KiB of all processes, their number, open descriptors of the two that stay."""
    pids = tree(PID)
    children = [int(p) for p in read(f"/proc/{PID}/task/{PID}/children").split()]
    stay = [PID] + [p for p in children if program(p) == "holdfast-store"]
    return sum(pss(p) for p in pids), len(pids), sum(len(os.listdir(f"/proc/{p}/fd")) for p in stay)


def settled(processes, seconds):
    end = time.monotonic() + seconds
    while len(tree(PID)) > processes and time.monotonic() < end:
        time.sleep(0.2)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--silent", type=int, default=5000)
    parser.add_argument("--wrong", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--few", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    prepare()
    with tempfile.TemporaryDirectory(prefix="holdfast-flood.") as folder:
        good = Good(folder)
        time.sleep(5)
        calm, failures = good.end()
        say(not failures, f"{len(calm)} clients of good users succeed before the flood")
        for line in failures[:3]:
            print(f"# {line}")
        settled(0, 3)
        before = state()
        flood = begin(args)
        most_seen = [0]
        good = Good(folder)
        deadline = time.monotonic() + 2 * args.seconds + 60
        while any(child.is_alive() for *_, child in flood) and time.monotonic() < deadline:
            most_seen[0] = max(most_seen[0], len(tree(PID)))
            time.sleep(0.5)
        walls, failures = good.end()
    for fn, count, tally, child in flood:
        if child.is_alive():
            child.kill()
        child.join()
        print(f"# {fn.__name__}: {count} wanted, {tally[0]} {'refused' if fn is wrong else 'held'}, {tally[1]} cut or not let in")
    came = sum(sum(tally) for *_, tally, _ in flood)
    wanted = sum(count for _, count, *_ in flood)
    say(came >= wanted * 0.9, f"{came} of {wanted} hostile connections came")
    say(not any(tally[2] for *_, tally, _ in flood), "no wrong password is right")
    p99, usual = percentile(walls, 99), percentile(calm, 99)
    say(not failures, f"all {len(walls)} clients of good users succeed beside it" + (f", but {len(failures)}" if failures else ""))
    for line in failures[:5]:
        print(f"# {line}")
    print(f"# median {percentile(walls, 50):.2f} s, p99 {p99:.2f} s, longest {max(walls):.2f} s; before: {percentile(calm, 50):.2f} s, {usual:.2f} s; "
          f"{most_seen[0]} processes at most")
    # On a machine that has other things to do as well, as much longer as it took before.
    limit = WITHIN * max(1, usual / CALM)
    say(p99 <= limit, f"p99 of good users is within {limit:.1f} s ({p99:.2f})")
    settled(before[1], 90)
    most_after, end = before[0] * 1.1 + 2048, time.monotonic() + 30
    while (after := state())[0] > most_after and time.monotonic() < end:
        time.sleep(1)       # 64 MiB are the password at hand
    say(after[1] == before[1], f"no process is left ({before[1]} before, {after[1]} after)")
    say(after[2] == before[2], f"nor a descriptor ({before[2]} before, {after[2]} after)")
    say(after[0] <= most_after, f"memory is what it was ({before[0]} KiB before, {after[0]} after)")
    sys.stdout.flush()
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
