"""Launches a sandbox under t/lib/cutter, whole or cut at one of its system calls, and tells what came of it.  Needs BUILD= and root."""
import collections
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

BUILD = os.environ["BUILD"]
BASE = 0x2300000 + (os.getpid() % 4000) * 65536
OCTET = os.getpid() % 250 + 1

# How a server stands once it runs: everything that a start set.  Numbers that differ at every start are taken out.
STATE = r"""#!/bin/sh
exec 2>&1
grep -E '^(Umask|Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters|Sig(Blk|Ign|Cgt)|CoreDumping|THP_enabled):' /proc/self/status
cut -d ' ' -f 4- /proc/self/mountinfo | sed 's/ \(master\|shared\):[0-9]*//'
cat /proc/self/limits /proc/self/cgroup /proc/self/uid_map /proc/self/gid_map
hostname; cut -d: -f1 /proc/net/dev; cat /proc/net/route; sort /proc/net/if_inet6
ls -lnR --time-style=+ /dev /etc/passwd /etc/group /etc/hosts /etc/hostname /etc/resolv.conf /etc/nsswitch.conf /etc/localtime /etc/machine-id | sed 's/total.*//'
ls -ld --time-style=+ / /* /var/* | sed 's/^\(..........\) *[0-9]* /\1 /'
ls -l /proc/self/fd | sed 's/.*[0-9] \([0-9]* -> [a-z/]*\).*/\1/'
ls /proc/1
echo x >/proc/self/comm; echo $?
[ "$(cut -d. -f1 /proc/uptime)" -lt 100 ]; echo $?
ls -lnR --time-style=+ /sys | sed 's/total.*//'; cat /sys/devices/system/cpu/online /etc/timezone
for f in kcore keys timer_list acpi/x sys/kernel/hostname; do echo x >/proc/$f; wc -c /proc/$f; done
"""

# What the lines above need, in an image: the folders and files that every import makes, and these programs.
FOLDERS = ("proc", "dev", "tmp", "run", "home", "sys", "etc", "var/tmp", "bin")
COVERED = ("passwd", "group", "hostname", "hosts", "resolv.conf", "machine-id")
PROGRAMS = ("sh", "grep", "cut", "sed", "cat", "hostname", "ls", "sort", "wc")


def make_image(top):
    for name in FOLDERS:
        os.makedirs(f"{top}/{name}")
    for name in COVERED:
        with open(f"{top}/etc/{name}", "w") as f:
            f.write("the image's own\n")
    for program in PROGRAMS:
        path = shutil.which(program)
        shutil.copy(path, f"{top}/bin/{program}")
        needs = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True).stdout.decode()
        for library in re.findall(r"(/\S+) \(0x", needs):
            os.makedirs(top + os.path.dirname(library), exist_ok=True)
            shutil.copy(library, top + library)
    for folder, _, files in os.walk(top):
        for name in [""] + files:
            os.chown(os.path.join(folder, name), BASE + 70000, BASE + 70000)


def make_group():
    """A cgroup of our own to start in, or None."""
    with open("/proc/mounts") as f:
        roots = [line.split()[1] for line in f if line.split()[2] == "cgroup2"]
    try:
        group = f"{roots[0]}/hft-cuts-{os.getpid()}"
        os.mkdir(group)
    except (IndexError, OSError):
        return None
    return group


Result = collections.namedtuple("Result", "ok errno step text words calls cut state code")


class Rig:
    """A folder of files, and launches on it.  SETTINGS are sandbox_run's."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="holdfast-cuts.")
        os.chmod(self.folder, 0o755)
        self.files = self.folder + "/files"
        os.mkdir(self.files)
        with open(self.files + "/state", "w") as f:
            f.write(STATE)
        os.chmod(self.files + "/state", 0o755)
        os.chown(self.files, BASE + 1000, BASE + 1000)
        self.settings = settings
        self.group = None
        self.starts = 0
        self.interfaces = []

    def with_everything(self):
        """An image, a filter of the admin's, a cgroup and both families of addresses."""
        make_image(self.folder + "/image")
        with open(self.folder + "/filter", "wb") as f:
            f.write(bytes((6, 0, 0, 0, 0, 0, 255, 127)))   # one instruction: allow
        self.group = make_group()
        self.settings.update({"image": self.folder + "/image", "filter": self.folder + "/filter", "net": "private",
                              "host6": "fd00::a", "inside6": "fd00::9"})
        if self.group:
            self.settings["cgroup"] = self.group

    def end(self):
        shutil.rmtree(self.folder)
        if self.group:
            os.rmdir(self.group)

    def run(self, cut=None):
        self.starts += 1
        log, name = self.folder + "/log", f"state.{self.starts}"   # a late one of another start is not taken for this one's
        state = f"{self.files}/{name}"
        interface = f"hc{os.getpid()}x{self.starts}"[:15]
        self.interfaces.append(interface)
        given = {"init": BUILD + "/t/lib/stand_init", "shim": BUILD + "/t/lib/stand_shim", "launch": BUILD + "/holdfast-launch",
                 "dir": self.files, "base": BASE, "interface": interface, "host": f"10.212.{OCTET}.1", "inside": f"10.212.{OCTET}.2"}
        given.update(self.settings)
        home = "/home/probe" if "errand" in given else "/home/server"
        given["directory"] = home
        command = [BUILD + "/t/lib/cutter", "-o", log] + (["-c", cut] if cut else []) + ["--", BUILD + "/t/lib/sandbox_run"]
        command += [f"{k}={v}" for k, v in given.items()] + ["--", "/bin/sh", "-c", f"{home}/state >{home}/{name}"]
        p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        text = p.stdout.decode("utf-8", "replace")
        calls, where = [], None
        with open(log) as f:
            for line in f:
                words = line.split()
                if words[0] == "cut":
                    where = (words[1], int(words[2]), words[3])
                else:
                    calls.append((words[0], int(words[1]), words[2]))
        done = re.search(r"^done ok=(\d) errno=(\d+) step=(.*?) text=(.*?) pid=", text, re.M)
        seen = None
        if os.path.exists(state):
            with open(state) as f:
                seen = f.read().replace(interface, "INTERFACE")
        return Result(int(done.group(1)) if done else None, int(done.group(2)) if done else 0, done.group(3) if done else "",
                      done.group(4) if done else "", text, calls, where, seen, p.returncode)

    def left(self, patience=10):
        """What is left of all launches: processes of their uids, interfaces, mounts of their files; waits for what is on its way out."""
        end = time.monotonic() + patience
        while True:
            found = self.processes() + self.links() + self.mounts()
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.02)

    @staticmethod
    def processes():
        found = []
        for path in glob.glob("/proc/[0-9]*"):
            try:
                uid = os.stat(path).st_uid
                with open(path + "/status") as f:
                    text = f.read()
            except OSError:
                continue
            if re.search(r"^State:\s+[ZX]", text, re.M):
                continue   # the machine's first process reaps when it likes
            uids = re.search(r"^Uid:\s+(\d+)", text, re.M)
            if BASE <= max(uid, int(uids.group(1))) < BASE + 65536:
                found.append(path)
        return found

    def links(self):
        there = set(os.listdir("/sys/class/net"))
        return [i for i in self.interfaces if i in there]

    def mounts(self):
        with open("/proc/self/mountinfo") as f:
            return [line for line in f if self.folder in line]
