"""What is measured.  ROWS: every line of the table; GROUPS: the functions that measure them."""
import asyncio
import filecmp
import os
import resource
import shutil
import time

import clients
import raw
from measure import cpu, digest, give_up, percentile, program, pss, say, tree, wait_for
from peers import CIPHERS
from table import COST, RATE, TIME, ZERO, Row

ROWS = (
    Row("up", "one file up", "s", TIME, None),
    Row("up-cpu", "one file up: server CPU per GiB", "s", COST, None),
    Row("up-client", "one file up: the client's busiest process, CPU per GiB", "s", COST, None),
    Row("down", "one file down", "s", TIME, None),
    Row("down-cpu", "one file down: server CPU per GiB", "s", COST, None),
    Row("down-client", "one file down: the client's busiest process, CPU per GiB", "s", COST, None),
    Row("up-mean", "one file up: mean of the ciphers", "ratio", TIME, 1.6),
    Row("up-cpu-mean", "one file up: mean of CPU", "ratio", COST, 0.55),
    Row("down-mean", "one file down: mean of the ciphers", "ratio", TIME, 1.2),
    Row("down-cpu-mean", "one file down: mean of CPU", "ratio", COST, 0.55),
    Row("files-up", "small files up", "files/s", RATE, 1.5),
    Row("files-up-cpu", "small files up: server CPU per 1000", "s", COST, None),
    Row("files-up-client", "small files up: the client's CPU per 1000", "s", COST, None),
    Row("files-down", "small files down", "files/s", RATE, 1.5),
    Row("files-down-cpu", "small files down: server CPU per 1000", "s", COST, None),
    Row("files-down-client", "small files down: the client's CPU per 1000", "s", COST, None),
    Row("list", "listing by sftp ls -1f", "s", TIME, 2),
    Row("list-cpu", "listing by sftp ls -1f: server CPU", "s", COST, None),
    Row("list-raw", "listing by raw packets", "s", TIME, 2),
    Row("list-raw-cpu", "listing by raw packets: server CPU", "s", COST, None),
    Row("delay-up", "50 ms away, one file up", "s", TIME, 1),
    Row("delay-down", "50 ms away, one file down", "s", TIME, 1),
    Row("login", "login, true, exit", "ms", TIME, 3),
    Row("login-cpu", "login, true, exit: server CPU", "ms", COST, None),
    Row("login-own", "login, true, exit, key exchange not set", "ms", TIME, None),
    Row("login-own-cpu", "login, true, exit, key exchange not set: server CPU", "ms", COST, None),
    Row("login-sftp", "login, pwd by SFTP, exit", "ms", TIME, None),
    Row("login-sftp-cpu", "login, pwd by SFTP, exit: server CPU", "ms", COST, None),
    Row("storm-failed", "at once: failures", "count", ZERO, 0),
    Row("storm-login-50", "at once: login p50", "s", TIME, None),
    Row("storm-login-99", "at once: login p99", "s", TIME, None),
    Row("storm-50", "at once: a session's files p50", "s", TIME, None),
    Row("storm-99", "at once: a session's files p99", "s", TIME, 1),
    Row("storm-file-50", "at once: a file p50", "ms", TIME, None),
    Row("storm-file-99", "at once: a file p99", "ms", TIME, 1),
    Row("storm-cpu", "at once: server CPU of all", "s", COST, None),
    Row("storm-client-cpu", "at once: the clients' CPU", "s", COST, None),
    Row("idle", "an idle connection, PSS", "KiB", COST, 0.5),
    Row("idle-processes", "an idle connection, processes", "count", COST, None),
    Row("idle-sftp", "an idle SFTP session, PSS", "KiB", COST, 0.5),
    Row("idle-sftp-processes", "an idle SFTP session, processes", "count", COST, None),
)


def alternate(bench, peers, keys, once, rounds=None):
    """Samples {key: {peer: [...]}}: ONCE(peer, round) gives a value for each of KEYS.  The peers take turns, each begins in turn; the round
    before the first (0) warms up and is not counted."""
    found = {k: {p.name: [] for p in peers} for k in keys}
    for n in range((rounds or bench.rounds) + 1):
        for p in peers[n % len(peers):] + peers[:n % len(peers)]:
            values = once(p, n)
            for key, value in zip(keys, values):
                if n:
                    found[key][p.name] += value if isinstance(value, list) else [value]
    return found


def publish(results, found, detail=""):
    return {key: results.add(key, samples, detail) for key, samples in found.items()}


def size_word(size):
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def random_file(path, size):
    block = os.urandom(1 << 20)
    with open(path, "wb") as f:
        for i in range(size >> 20):
            f.write(block[i % 4096:] + block[:i % 4096])
    return digest(path)


def up_and_down(bench, peer, source, want, n, **how):
    """[Used up, Used down] of one file; contents are compared in the first round."""
    there, back = peer.path("big"), bench.place.work + "/back"
    found = clients.batch(peer, bench.place.work, [(f"put {source} {there}",), (f"get {there} {back}",), [f"rm {there}"]], **how)
    if not n and digest(back) != want:
        give_up(f"{peer.name}: what came back differs from what was sent")
    os.unlink(back)
    return found


def big(bench, peers, results):
    source, gib = bench.place.work + "/big", bench.size.big / (1 << 30)
    want = random_file(source, bench.size.big)
    keys, ratios = ("up", "up-cpu", "down", "down-cpu", "up-client", "down-client"), {}
    for cipher in CIPHERS:
        able = [p for p in peers if p.has(cipher)]
        for p in peers:
            if p not in able:
                say(f"{p.name} has no {cipher}: not in that row")

        def once(p, n, cipher=cipher):
            up, down = up_and_down(bench, p, source, want, n, cipher=cipher)
            return up.wall, up.cpu / gib, down.wall, down.cpu / gib, up.busiest / gib, down.busiest / gib
        found = publish(results, alternate(bench, able, keys, once), f", {size_word(bench.size.big)}, {cipher.split('@')[0]}")
        for key, r in found.items():
            ratios.setdefault(key, []).append(r)
    os.unlink(source)
    for key in ("up", "up-cpu", "down", "down-cpu"):
        results.add_mean(key + "-mean", ratios[key])


def make_files(folder, count):
    os.mkdir(folder)
    for i in range(count):
        with open(f"{folder}/{i:05}", "wb") as f:
            f.write(os.urandom(4096))


def same(peer, one, other, count):
    """Whether OTHER holds the COUNT files of ONE: asked in the first round."""
    names = os.listdir(one)
    _, different, absent = filecmp.cmpfiles(one, other, names, shallow=False)
    if different or absent or len(names) != count or len(os.listdir(other)) != count:
        give_up(f"{peer.name}: small files: {len(different)} differ, {len(absent)} are not there, of {count}")


def copy_sftp(bench, peer, source, to, upload):
    verb = "put" if upload else "get"
    return clients.batch(peer, bench.place.work, [(f"{verb} -R {source}/. {to}",)])[0]


def copy_rclone(bench, peer, source, to, upload):
    return clients.rclone(peer, bench.place.work, source, to, upload)


def copy_rclone_unchecked(bench, peer, source, to, upload):
    return clients.rclone(peer, bench.place.work, source, to, upload, checksums=False)


def copy_lftp(bench, peer, source, to, upload):
    return clients.lftp(peer, bench.place.work, source, to, upload)


# rclone as it comes compares checksums, which the server's shell is asked for; told that there is no shell it compares sizes.
COPIERS = (("sftp -r", copy_sftp, "sftp"), ("rclone, 16 at once", copy_rclone, "rclone"),
           ("rclone, 16 at once, no checksums", copy_rclone_unchecked, "rclone"), ("lftp mirror, 1 at once", copy_lftp, "lftp"))
FILES = ("files-up", "files-up-cpu", "files-up-client", "files-down", "files-down-cpu", "files-down-client")


def many(bench, peers, results):
    count, source = bench.size.files, bench.place.work + "/many"
    make_files(source, count)
    for p in peers:
        with p.owner():
            shutil.copytree(source, p.disk + "/many")
        p.changed()
    for name, copy, program_ in COPIERS:
        if not shutil.which(program_):
            say(f"{program_} is not installed: no row of it")
            continue

        def once(p, n, copy=copy):
            up, back = p.disk + "/up", bench.place.work + "/back"
            p.mkdir(up)
            os.mkdir(back)
            p.changed()
            there = copy(bench, p, source, p.path("up"), True)
            here = copy(bench, p, p.path("many"), back, False)
            if not n:
                same(p, source, up, count)
                same(p, source, back, count)
            shutil.rmtree(up)
            shutil.rmtree(back)
            return [part for used in (there, here) for part in (count / used.wall, used.cpu / count * 1000, used.client / count * 1000)]
        found = alternate(bench, peers, FILES, once)
        publish(results, found, f", {count} x 4 KiB, {name}")
    for folder in (source, *(p.disk + "/many" for p in peers)):
        shutil.rmtree(folder)


def listing(bench, peers, results):
    count = bench.size.entries
    for p in peers:
        p.mkdir(p.disk + "/list")
        with p.owner():
            for i in range(count):
                os.close(os.open(f"{p.disk}/list/entry{i:06}", os.O_CREAT | os.O_WRONLY, 0o644))
        p.changed()

    def once(p, _):
        used = clients.batch(p, bench.place.work, [[f"cd {p.path('list')}"], ("ls -1f",)])[0]
        used_by = []
        p.settle()
        try:
            raw_wall, entries = asyncio.run(raw.listing(p.subsystem(), p.path("list"), lambda: used_by.append(cpu(p.pid))))
        except raw.Refused as e:
            give_up(f"{p.name}: listing: {e}")
        if not count <= entries <= count + 2:
            give_up(f"{p.name}: a listing of {entries} entries of {count}")
        return used.wall, used.cpu, raw_wall, used_by[1] - used_by[0]
    publish(results, alternate(bench, peers, ("list", "list-cpu", "list-raw", "list-raw-cpu"), once), f", {count} entries")
    for p in peers:
        shutil.rmtree(p.disk + "/list")


def delay(bench, peers, results):
    if not bench.place.line:
        return
    say(f"the slow line: {bench.place.line}")
    source = bench.place.work + "/slow"
    want = random_file(source, bench.size.slow)

    def once(p, n):
        up, down = up_and_down(bench, p, source, want, n, far=True)
        return up.wall, down.wall
    publish(results, alternate(bench, peers, ("delay-up", "delay-down"), once), f", {size_word(bench.size.slow)}")
    os.unlink(source)


def login(bench, peers, results):
    def logged(p, command, text=None):
        walls, used = clients.logins(p, bench.size.logins, command, text)
        return [w * 1000 for w in walls], used * 1000
    able = [p for p in peers if p.runs_commands]
    for p in peers:
        if p not in able:
            say(f"{p.name} runs no command: not in the row 'login, true, exit'")
    publish(results, alternate(bench, able, ("login", "login-cpu"), lambda p, _: logged(p, p.ssh("true"))))
    publish(results, alternate(bench, able, ("login-own", "login-own-cpu"), lambda p, _: logged(p, p.ssh("true", kex=()))))
    publish(results, alternate(bench, peers, ("login-sftp", "login-sftp-cpu"), lambda p, _: logged(p, p.sftp(), b"pwd\n")))


def client_cpu():
    total = 0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        r = resource.getrusage(who)
        total += r.ru_utime + r.ru_stime
    return total


def storm(bench, peers, results):
    count, files = bench.size.sessions, bench.size.each

    def once(p, _):
        p.mkdir(p.disk + "/storm")
        p.changed()
        p.settle()
        before, processes, ours = cpu(p.pid), len(tree(p.pid)), client_cpu()
        s = raw.Storm(p.subsystem(), p.path("storm"), count, files)
        asyncio.run(s.run())
        ours = client_cpu() - ours
        clients.ended(p, processes)
        used = cpu(p.pid) - before
        there = [os.path.getsize(f"{d}/{f}") for d, _, fs in os.walk(p.disk + "/storm") for f in fs]
        failures = len(s.failures) + count * files - there.count(4096)   # sessions, and files that are not there whole
        if s.failures:
            say(f"{p.name}: {len(s.failures)} sessions failed; the first: {s.failures[0]}")
        shutil.rmtree(p.disk + "/storm")
        none = [float("nan")]
        logins, sessions, times = s.logins or none, s.sessions or none, s.times or none
        return (failures, percentile(logins, 50), percentile(logins, 99), percentile(sessions, 50), percentile(sessions, 99),
                percentile(times, 50) * 1000, percentile(times, 99) * 1000, used, ours)
    keys = ("storm-failed", "storm-login-50", "storm-login-99", "storm-50", "storm-99", "storm-file-50", "storm-file-99", "storm-cpu",
            "storm-client-cpu")
    publish(results, alternate(bench, peers, keys, once), f", {count} sessions x {files} files")


def memory(bench, peers, results):
    """Of COUNT connections to each peer at once, per connection: PSS of the processes that came with them."""
    count, names = bench.size.idle, {}
    for p in peers:
        if not p.forks:
            say(f"{p.name} has one process for all, whose heap comes and goes by more than a connection costs: not in the rows of memory")
    peers = [p for p in peers if p.forks]

    def measure(sftp):
        old = {p: set(tree(p.pid)) for p in peers}
        held = []
        try:
            for p in peers:
                for _ in range(count):
                    held.append(clients.Idle(p, bench.place.work, sftp))
            time.sleep(3)   # what a server does when it has become idle is done
            found = {}
            for p in peers:
                new = [pid for pid in tree(p.pid) if pid not in old[p]]
                names[p.name] = sorted({program(pid) for pid in new})
                found[p] = (sum(pss(pid) for pid in new) / count, len(new) / count)
            return found
        finally:
            for h in held:
                h.leave()
            for h in held:
                h.close()
            for p in peers:
                wait_for(lambda p=p: not set(tree(p.pid)) - old[p], 30, f"{p.name}: connections do not end")

    for sftp, keys in ((False, ("idle", "idle-processes")), (True, ("idle-sftp", "idle-sftp-processes"))):
        rounds = [measure(sftp) for _ in range(bench.rounds)]
        for i, key in enumerate(keys):
            results.add(key, {p.name: [r[p][i] for r in rounds] for p in peers})
    if bench.verbose:
        for name, found in names.items():
            say(f"{name}: processes of an SFTP session: {' '.join(found) or 'none of its own'}")


GROUPS = {"big": big, "many": many, "list": listing, "delay": delay, "login": login, "storm": storm, "memory": memory}
