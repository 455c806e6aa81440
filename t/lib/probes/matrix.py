#!/usr/bin/python3 -B
"""matrix.py BUILD: each protection off in turn.  Must run as root in mount, network, IPC and UTS namespaces of its own, as what is left out
may reach "the host", which is then this process's namespaces.

A row of the probes' table with .off = S and .open = A holds, if the probe answers A when all of S are off, and something else (or nothing
starts) when any one of S is on again.  So each name in S is a protection that this probe would miss.
Prints lines for import_results, then the matrix."""
import ctypes
import os
import resource
import shutil
import socket
import subprocess
import sys
import time

BUILD = os.path.abspath(sys.argv[1])
CALIBRATE = sys.argv[2:]      # names: prints the answers with these off, and ends
HOME, SERVER, BASE = "/home/other", "/home/server", 1966080
# What this machine may not have: the bare answer says so.
MACHINES = ("socket", "device: ", "not there: ", "limit: ", "hidden: ", "list: ", "timer", "prctl: PR_SET_MM", "raise: ",
            "bomb: message queues", "write: sysrq", "read: kcore")
# Steps that protect nothing by themselves; that giving up rights and closing descriptors is one step each, left out by parts; the shim's.
BUILDING = ("check", "open", "pipe", "take", "links", "tell-init", "tell", "hear", "mkdir", "symlink", "device", "attach", "bind", "file",
            "localtime", "write", "become", "terminal", "veth", "network", "exec", "chdir", "session", "drop", "descriptors", "undumpable",
            "take-filter", "copy", "processors", "readable", "unmount")
TELL_MOUNTS = 'sed -i "s/^ns-mnt=.*/ns-mnt=$(readlink /proc/self/ns/mnt)/" "$0"; exec "$@"'
LIMITS = {"pids": 128, "nofile": 2048, "tmp": 8 << 20}
SIGNALS = 5500      # to launch: more than any bomb has, less than the canary, who is root, has together with a probe


def sh(*words, **more):
    return subprocess.run(words, check=True, **more)


def prepare():
    """All that is needed in one tmpfs: where the sandbox is built, /tmp, may be covered, and a path must lead to the server's files from outside too."""
    sh("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "none", "/home")
    sh("ip", "link", "set", "lo", "up")
    socket.sethostname("the-host")
    for folder in (HOME, HOME + "/logs", SERVER):
        os.mkdir(folder)
    for name in ("t/lib/launch_weak", "t/lib/init_weak", "t/lib/prober", "t/lib/sandbox_run", "holdfast-shim"):
        shutil.copy(f"{BUILD}/{name}", f"{HOME}/{os.path.basename(name)}")
    os.chmod(HOME + "/logs", 0o777)
    shutil.copy(HOME + "/prober", SERVER)
    shutil.copy(HOME + "/prober", SERVER + "/setuid")
    os.chown(SERVER + "/setuid", BASE, BASE)
    os.chmod(SERVER + "/setuid", 0o6755)
    os.mknod(SERVER + "/device", 0o20666, os.makedev(1, 3))
    os.chmod(SERVER + "/device", 0o666)
    os.chown(SERVER + "/device", BASE + 1000, BASE + 1000)
    os.chown(SERVER, BASE + 1000, BASE + 1000)
    os.chmod(SERVER, 0o777)
    open(HOME + "/secret", "w").close()


def canary():
    p = subprocess.Popen([HOME + "/prober", "--canary"], cwd=HOME, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in p.stdout:
        if line == "end=\n":
            break
        lines.append(line)
    with open(SERVER + "/canary", "w") as f:
        f.writelines(lines + ["two-" + line for line in lines] + [f"{key}={HOME}/secret\n" for key in ("secret", "secret-key", "store", "store-db")] +
                     [f"nofile={LIMITS['nofile']}\n"])
    return p


def cgroup():
    with open("/proc/self/mounts") as f:
        top = [line.split()[1] for line in f if line.split()[2] == "cgroup2"][-1]      # the last lies on top
    path = f"{top}/hft-probes-{os.getpid()}"
    os.mkdir(path)
    return path


def few_signals():
    most = resource.getrlimit(resource.RLIMIT_SIGPENDING)[1]
    if most == resource.RLIM_INFINITY or most > SIGNALS:
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (SIGNALS, SIGNALS))


class Runs:
    def __init__(self, group):
        self.group, self.cache, self.count, self.said = group, {}, 0, ""

    def answers(self, off, names):
        """{name: answer} with OFF left out; None if no sandbox started, with why in self.why."""
        key = frozenset(off)
        known = self.cache.setdefault(key, {})
        missing = [n for n in names if n not in known]
        if missing and known.get("") is None:
            known.update(self.start(key, missing))
        return None if "" in known else known

    def start(self, off, names):
        self.count += 1
        for left in ("/answers", "/answers.new"):
            if os.path.exists(SERVER + left):
                os.unlink(SERVER + left)
        # In mounts of their own: a launch without a namespace would mount, and change the root, for us.  What is shared then is that one.
        p = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", TELL_MOUNTS, SERVER + "/canary", "timeout", "100", HOME + "/sandbox_run", f"launch={HOME}/launch_weak",
             f"init={HOME}/init_weak", f"shim={HOME}/holdfast-shim", f"dir={SERVER}", f"logs={HOME}/logs", f"base={BASE}", "bait=1",
             f"cgroup={self.group}"] + [f"{k}={v}" for k, v in LIMITS.items()] + ["--", SERVER + "/prober", "--only"] + names,
            env={"PATH": "/usr/sbin:/usr/bin", "HOLDFAST_WEAKEN": " ".join(sorted(off))}, capture_output=True, text=True, extra_groups=[4242],
            preexec_fn=few_signals)
        self.said = p.stdout + p.stderr
        self.wait_gone()
        if "fatal:" in self.said:
            return {"": self.said[-300:]}
        try:
            with open(SERVER + "/answers") as f:
                return dict(line.rstrip("\n").split("\t", 1) for line in f)
        except FileNotFoundError:
            words = [line for line in p.stdout.splitlines() if line.startswith("done ")]
            return {"": words[0] if words else (p.stdout + p.stderr)[-300:]}

    def wait_gone(self):
        """A launch that cannot become the shim ends before its server does, which for a moment may still make its files: among those of
        the next start, and of another user where there is no namespace of users."""
        for _ in range(2000):
            with open(self.group + "/cgroup.events") as f:
                if "populated 0" in f.read():
                    return
            time.sleep(0.005)
        raise TimeoutError("a sandbox lives on: " + self.said)


def steps_of(group, *more):
    """What launch says it would do."""
    return subprocess.run(
        [HOME + "/sandbox_run", "print=1", f"launch={HOME}/launch_weak", f"init={HOME}/init_weak", f"shim={HOME}/holdfast-shim",
         f"dir={SERVER}", f"logs={HOME}/logs", f"cgroup={group}", *more, "--", "/bin/true"],
        env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True).stdout


def bare(names):
    """What comes of it outside of any sandbox, as root: for what only looks."""
    if not names:
        return {}
    subprocess.run([HOME + "/prober", "--only"] + names, cwd=SERVER, stdout=subprocess.DEVNULL, check=True, timeout=100)
    with open(SERVER + "/answers") as f:
        return dict(line.rstrip("\n").split("\t", 1) for line in f)


def opens(row, got):
    """Whether GOT is what comes of it without protection."""
    return got not in row["want"].split("|") if row["open"] == "*" else got in row["open"].split("|")


def landlock_version():
    return ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1)


def judge(row, runs, outside, matrix):
    name, want, off = row["name"], row["want"].split("|"), row["off"].split()
    got = runs.answers(off, [name])
    words = " ".join(off)
    if got is None:
        return f"not ok {name}: nothing starts without {words}: {runs.cache[frozenset(off)]['']}"
    if not opens(row, got.get(name)):
        if name in outside and outside[name] in want:
            print(f"skip {name}: this machine has none to lose: {outside[name]} outside, too")
            return None
        return f"not ok {name}: {got.get(name)} without {words}; {row['open']} was to be seen"
    for one in off:
        rest = [x for x in off if x != one]
        kept = runs.answers(rest, [name])
        if kept is not None and opens(row, kept.get(name)):
            if kept[name] == "ENOSYS":
                print(f"skip {name}: this kernel has no such call")
                return None
            if one == "landlock" and landlock_version() < 6:
                continue
            return f"not ok {name}: {one} holds nothing: {kept[name]} with it alone, too"
        matrix.setdefault(one, []).append((name, len(off)))
    return f"ok {name}: {got[name]} without {words}; held by any one of them"


def show(matrix, known):
    print("protection: probes that it holds alone, or together with others that would do as well")
    for name in sorted(known):
        rows = matrix.get(name, [])
        alone = sum(1 for _, n in rows if n == 1)
        example = min(rows, key=lambda r: r[1])[0] if rows else "none"
        print(f"{name:<17} {alone:>3} alone {len(rows) - alone:>3} shared   {example}")


def main():
    prepare()
    group = cgroup()
    host = canary()
    runs = Runs(group)
    try:
        keys = ("name", "kind", "want", "off", "open", "why")
        text = subprocess.run([HOME + "/prober", "--list"], capture_output=True, text=True, check=True).stdout
        table = [dict(zip(keys, line.split("\t"))) for line in text.splitlines()]
        if CALIBRATE:
            off = [] if CALIBRATE == ["-"] else CALIBRATE
            names = [r["name"] for r in table if r["kind"] == "probe"]
            got = runs.answers(off, names)
            for r in table if got else ():
                if r["kind"] == "probe":
                    print(f"{r['name']}\t{got.get(r['name'])}\t{r['want']}\t{r['off']}\t{r['open']}")
            print(runs.cache[frozenset(off)].get("", ""), runs.said, file=sys.stderr)
            return
        rows = [r for r in table if r["off"] != "-" and r["kind"] != "bomb-vm"]
        outside = bare([r["name"] for r in rows if r["name"].startswith(MACHINES)])
        # One start for all probes of the same set.
        for r in rows:
            off = r["off"].split()
            same = [x["name"] for x in rows if x["off"] == r["off"]]
            runs.answers(off, same)
            for one in off:
                runs.answers([x for x in off if x != one], same)
        known, verbs = set(), set(BUILDING)
        for weak in ("launch_weak", "init_weak"):
            words = subprocess.run([f"{HOME}/{weak}"], env={"HOLDFAST_WEAKEN": "names"}, capture_output=True, text=True, check=True).stdout.split()
            known |= {w for w in words if w[0] != "+"}
            verbs |= {w[1:] for w in words if w[0] == "+"}
        printed = "".join(steps_of(group, *more) for more in (["net=private", "tty=1"], [f"image={HOME}"], ["errand=1"]))
        steps = {line.split()[1] for line in printed.splitlines() if line.startswith(("host ", "child "))}
        new = steps - verbs
        print(f"{'not ok' if new or not steps else 'ok'} each step of a launch can be left out, or only builds {' '.join(sorted(new))}")
        matrix, lost = {}, set()
        unknown = {x for r in rows for x in r["off"].split()} - known
        print(f"{'not ok' if unknown else 'ok'} every protection of the table can be left out {' '.join(sorted(unknown))}")
        for r in rows:
            line = judge(r, runs, outside, matrix)
            if line:
                print(line)
            else:
                lost |= set(r["off"].split())
        for r in table:
            if r["off"] == "-":
                print(f"{'ok' if r['why'] != '-' else 'not ok'} {r['name']}: has no protection to leave out: {r['why']}")
        for name in sorted(known):
            if name in lost and not matrix.get(name):
                print(f"skip without {name} something is missed: not on this machine")
            else:
                print(f"{'ok' if matrix.get(name) else 'not ok'} without {name} something is missed")
        show(matrix, known)
        print(f"{runs.count} sandboxes were started")
    finally:
        host.terminate()
        host.wait()
        for _ in range(100):
            try:
                os.rmdir(group)
                break
            except OSError:
                subprocess.run(["sleep", "0.05"], check=False)


if __name__ == "__main__":
    main()
