"""Where all of it happens: namespaces of its own for processes, mounts and the network, and one tmpfs.

The first process of the inner namespaces is the bench; when it ends, however it ends, the kernel ends every process in them and takes the
mounts, loop devices and interfaces away.  What lies outside is a folder and the rig's prefix; the outer process removes them.
"""
import contextlib
import ctypes
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

from measure import call, give_up, read, say, wait_for

NEWNS, NEWNET, NEWPID = 0x00020000, 0x40000000, 0x20000000
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
NEAR, FAR = "192.0.2.1", "192.0.2.2"   # TEST-NET-1, in a network nobody else sees
DELAY_MS = 25                          # each way
libc = ctypes.CDLL(None, use_errno=True)


def system(result, what):
    if result:
        give_up(f"{what}: {os.strerror(ctypes.get_errno())}")


def outer(child, top):
    """Waits for CHILD, hands signals on to it, removes what is left; its exit code."""
    def hand_on(*_):
        os.kill(child, signal.SIGTERM)
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, hand_on)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    remove_left(top)
    return code if code >= 0 else 128 - code


def remove_left(top):
    """What namespaces do not take away by themselves: the rig's prefix and cgroup, and TOP."""
    for ini in glob.glob(f"{tempfile.gettempdir()}/holdfast-rig.*/etc/holdfast.ini"):
        if f"state = {top}/" not in read(ini):
            continue
        prefix = os.path.dirname(os.path.dirname(ini))
        cgroup = re.search(r"(?m)^cgroup = (.+)", read(ini))
        for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if cgroup else ():
            for folder, _, _ in os.walk(f"{base}/{cgroup[1]}", topdown=False):
                os.rmdir(folder)
        shutil.rmtree(prefix, ignore_errors=True)
    shutil.rmtree(top, ignore_errors=True)


def remove_killed():
    """Of runs whose outer process was killed."""
    for pid in glob.glob(f"{tempfile.gettempdir()}/holdfast-bench.*/pid"):
        if read(pid) and not os.path.exists(f"/proc/{read(pid)}"):
            remove_left(os.path.dirname(pid))


def isolate(body):
    """Runs BODY(top) as the first process of new namespaces and exits with what it returns; TOP is an empty folder."""
    remove_killed()
    top = tempfile.mkdtemp(prefix="holdfast-bench.")
    os.chmod(top, 0o755)
    with open(top + "/pid", "w") as f:
        f.write(str(os.getpid()))
    system(libc.unshare(NEWPID), "unshare")
    child = os.fork()
    if child:
        sys.exit(outer(child, top))
    libc.prctl(SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    code = 1
    try:
        system(libc.unshare(NEWNS | NEWNET), "unshare")
        call("mount", "--make-rprivate", "/")
        call("mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", "/proc")
        call("ip", "link", "set", "lo", "up")
        code = body(top)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 1
    except Exception:
        traceback.print_exc()      # _exit would not
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


held = []   # signals that came while none was wanted; None stands for "hold them"


@contextlib.contextmanager
def unstopped():
    """What is half made cannot be undone: a signal takes effect afterwards."""
    held.append(None)
    try:
        yield
    finally:
        came = [n for n in held if n]
        held.clear()
    if came:
        stop(came[0], None)


def stop(number, _):
    if held:
        held.append(number)
        return
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, signal.SIG_IGN)
    sys.exit(128 + number)


class Place:
    """The tmpfs, the list of what is to be undone, and the far end of a slow line when there is one."""
    def __init__(self, top):
        self.top, self.work = top, top + "/work"
        self.undo, self.line = [], None
        os.mkdir(self.work, 0o755)
        call("mount", "-t", "tmpfs", "-o", "size=80%,mode=0755", "holdfast-bench", self.work)

    def close(self):
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, signal.SIG_IGN)
        clean = True
        while self.undo:
            try:
                self.undo.pop()()
            except (OSError, SystemExit, subprocess.SubprocessError) as e:
                say(f"clean-up: {e}")
                clean = False
        return clean

    def spawn(self, command, **more):
        """A process that waits for its orphans (sshd's SFTP processes are), else nobody knew their CPU; close() ends it."""
        def adopt():
            libc.prctl(SET_CHILD_SUBREAPER, 1)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=adopt, **more)

        def end():
            child.terminate()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.undo.append(end)
        return child

    def far(self):
        """Words before a command that make it run at the far end."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def slow_line(self):
        """A second network, DELAY_MS away each way: a veth pair with netem, where the kernel has none a pair of TUN devices and a relay."""
        self.holder = self.spawn(["unshare", "--net", "sleep", "infinity"])
        wait_for(lambda: os.path.basename(os.readlink(f"/proc/{self.holder.pid}/exe")) == "sleep", 10, "no second network namespace")
        call(*self.far(), "ip", "link", "set", "lo", "up")
        call("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.holder.pid))
        netem = ["root", "netem", "delay", f"{DELAY_MS}ms", "limit", "100000"]
        tries = (["tc", "qdisc", "add", "dev", "near", *netem], [*self.far(), "tc", "qdisc", "add", "dev", "far", *netem])
        if all(subprocess.run(t, capture_output=True).returncode == 0 for t in tries):
            self.line = f"veth and netem, {DELAY_MS} ms each way"
        elif os.path.exists("/dev/net/tun"):
            call("ip", "link", "del", "near")
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "delay.py")
            relay = self.spawn([sys.executable, "-B", script, str(self.holder.pid), str(DELAY_MS)])
            wait_for(lambda: "far:" in read(f"/proc/{self.holder.pid}/net/dev") or relay.poll() is not None, 10, "the relay does not start")
            self.line = f"TUN devices and a relay (no netem in this kernel), {DELAY_MS} ms each way"
        else:
            say("row 'delay' is left out: neither netem nor TUN devices in this kernel")
            return
        for prefix, name, address in (([], "near", NEAR), (self.far(), "far", FAR)):
            call(*prefix, "ip", "addr", "add", address + "/24", "dev", name)
            call(*prefix, "ip", "link", "set", name, "up")
