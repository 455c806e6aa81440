#!/usr/bin/python3 -B
"""bundle.py FOLDER FILES CGROUP ROWS COMMAND... <PLAN: makes FOLDER an OCI bundle (config.json, rootfs) of what PLAN, as holdfast-launch -n prints it,
would do.  FILES are the server's, CGROUP its group's path, ROWS the header that policyc --rows makes of its policy.

What crun 1.8 has no word for: the network's interface, which it leaves to hooks, Landlock, a time namespace, a pid 1 beside the command.  What an OCI filter
cannot say: an order among the rows of one call, so a refusal beside a row that allows falls to the default.  What the bundle has before it is started:
the folders, links and small files of the root, and a boot id, which launch makes at each start."""
import glob
import json
import os
import platform
import re
import shutil
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
OPS = ("NE", "LT", "LE", "GT", "GE")      # 1 to 5 of enum policy_op
LINE = re.compile(r'(?:host|child) (?P<verb>\S+) (?P<at>.*?)(?: from=(?P<source>.*?))?(?: \[(?P<flags>[a-z,-]*)\])?(?: "(?P<text>.*)")?'
                  r'(?: (?P<number>(?:[a-z]+=)?\d+))?(?: or=(?P<tolerated>\w+))?$')
CALL = re.compile(r'\.action = (?P<action>0x\w+), .*\.conditions = \{(?P<conditions>.*?)\}, \.name = "(?P<name>\w+)"')
CONDITION = re.compile(r"\{ (\d+), \(enum policy_op\)(\d), 0x(\w+)ULL, 0x(\w+)ULL \}")


def condition(arg, op, mask, value):
    mask, value = int(mask, 16), int(value, 16)
    if op == "6":
        return {"index": int(arg), "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
    return {"index": int(arg), "value": value, "op": "SCMP_CMP_" + ("EQ" if op == "0" else OPS[int(op) - 1])}


def seccomp(rows):
    """The same calls with the same conditions; see above for what is lost."""
    with open(rows) as f:
        text = f.read()
    found = [m.groupdict() for m in CALL.finditer(text)]
    allowed = {r["name"] for r in found if int(r["action"], 16) == ALLOW}
    calls, plain = [], {}
    for r in found:
        action, args = int(r["action"], 16), [condition(*c) for c in CONDITION.findall(r["conditions"])]
        if args and action == ALLOW:
            calls.append({"names": [r["name"]], "action": "SCMP_ACT_ALLOW", "args": args})
        elif not args and (action == ALLOW or r["name"] not in allowed):
            plain.setdefault(action, []).append(r["name"])
    for action, names in plain.items():
        calls.append({"names": names, "action": "SCMP_ACT_ALLOW"} if action == ALLOW else
                     {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": action - ERRNO})
    fallback = int(re.search(r"_FALLBACK (0x\w+)U", text).group(1), 16)
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": fallback - ERRNO,
            "architectures": ["SCMP_ARCH_" + platform.machine().upper()], "syscalls": calls}


class Bundle:
    def __init__(self, folder, files, cgroup, rows, command):
        self.root, self.files = folder + "/rootfs", files
        os.makedirs(self.root)
        self.mounts, self.limits, self.masked, self.sealed, self.boot_id = [], [], [], [], folder + "/boot_id"
        self.config = {
            "ociVersion": "1.0.0",
            "process": {"terminal": False, "user": {"uid": 1000, "gid": 1000, "umask": 0o022}, "args": command, "cwd": "/home/server",
                        "env": ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/server"], "noNewPrivileges": True, "capabilities": {},
                        "rlimits": self.limits},
            "root": {"path": "rootfs", "readonly": True},
            "mounts": self.mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "user", "cgroup")],
                      "cgroupsPath": cgroup, "seccomp": seccomp(rows), "maskedPaths": self.masked, "readonlyPaths": self.sealed}}

    def mount(self, at, source, kind, options):
        self.mounts.append({"destination": at, "source": source, "type": kind, "options": options})

    def bind(self, at, source, options):
        """Its place is made with the rootfs."""
        if os.path.isdir(source):
            os.makedirs(self.root + at, exist_ok=True)
        elif not os.path.exists(self.root + at):
            self.write(at, "")
        self.mount(at, source, "none", ["rbind"] + options)

    def write(self, at, text):
        with open(self.root + at, "w") as f:
            f.write(text)

    # --- a verb of a plan each -----------------------------------------------------------------------------------------------------------------

    def do_mkdir(self, s):
        os.makedirs(self.root + s["at"], exist_ok=True)

    def do_symlink(self, s):
        if not s["at"].startswith("/dev/"):      # crun makes those
            os.symlink(s["source"], self.root + s["at"])

    def do_file(self, s):
        self.write(s["at"], s["text"])

    def do_copy(self, s):
        if s["at"].startswith("/dev/"):
            shutil.copyfile(s["source"], self.boot_id)
        elif os.path.exists(s["source"]):
            with open(s["source"]) as f:
                self.write(s["at"], f.read())

    def do_localtime(self, s):
        if os.path.exists(s["source"]):
            shutil.copy(s["source"], self.root + s["at"], follow_symlinks=False)

    def do_processors(self, s):
        for cpu in glob.glob(s["at"] + "/cpu[0-9]*"):
            os.makedirs(self.root + cpu)

    def do_attach(self, s):
        if s["at"] == "/usr":
            self.bind(s["at"], s["source"], ["ro", "nosuid", "nodev"])
        else:
            os.makedirs(self.root + s["at"], exist_ok=True)
            self.mount(s["at"], self.files, "none", ["bind", "nosuid", "nodev"])

    def do_bind(self, s):
        for source in glob.glob(f"{s['source']}/{s['text']}" if s["text"] else s["source"]):
            self.bind(source, source, s["flags"])

    def do_mount(self, s):
        if s["at"] == "/":
            self.mount("/dev", "tmpfs", "tmpfs", ["nosuid", "mode=755"])      # the plan's lies in its root
            return
        kind = {"cgroup2": "cgroup"}.get(s["source"], s["source"])
        self.mount(s["at"], s["source"], kind, s["flags"] + (s["text"].split(",") if s["text"] else []))

    def do_cover(self, s):
        if s["tolerated"]:
            self.masked.append(s["at"])
        else:
            self.mount(s["at"], self.boot_id, "none", ["bind", "ro"])

    def do_limit(self, s):
        most = int(s["number"])
        self.limits.append({"type": "RLIMIT_" + s["at"].split("/")[-1].upper(), "hard": most, "soft": most})

    def do_map(self, s):
        inside, outside, size = map(int, s["text"].split())
        self.config["linux"][s["at"].replace("_map", "Mappings")] = [{"containerID": inside, "hostID": outside, "size": size}]

    def do_hostname(self, s):
        self.config["hostname"] = s["at"]

    def take(self, line):
        s = LINE.match(line).groupdict()
        if s["verb"] == "read-only":
            self.sealed.append(s["at"])
            return
        s["flags"] = (s["flags"] or "").split(",") if s["flags"] else []
        s["text"] = (s["text"] or "").encode().decode("unicode_escape")
        do = getattr(self, "do_" + s["verb"], None)
        if do:
            do(s)


def main():
    folder, files, cgroup, rows, *command = sys.argv[1:]
    bundle = Bundle(folder, files, cgroup, rows, command)
    for line in sys.stdin:
        bundle.take(line.rstrip("\n"))
    with open(folder + "/config.json", "w") as f:
        json.dump(bundle.config, f, indent=1)


if __name__ == "__main__":
    main()
