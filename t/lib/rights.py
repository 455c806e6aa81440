#!/usr/bin/python3 -B
"""Compares running processes with what their RIGHTS say.

  rights.py look PREFIX                 every process of the rig in PREFIX, once; prints "ok WORDS" and "not ok WORDS"
  rights.py watch PREFIX SECONDS NAME   waits for a short-lived NAME and looks at it
"""
import glob
import os
import re
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPS = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN "
        "NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
        "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
        "PERFMON BPF CHECKPOINT_RESTORE").split()
# What descriptors may lead to, beside /dev/null, the log, sockets and the loop's epoll; %P is the rig's prefix.
COMMON = r"/dev/null|%P/log/.*|socket:\[\d+\]|anon_inode:\[(eventpoll|eventfd|signalfd|timerfd)\]"
KINDS = {
    "holdfastd": r"/memfd:.*|%P/run(/.*)?|%P/etc(/.*)?|%P/state(/.*)?|anon_inode:\[?pidfd\]?.*|pidfd:.*|/sys/fs/cgroup/.*|pipe:\[\d+\]|anon_inode:.*",
    # Files of servers that a worker opened, archives and logs that the supervisor opened: never a folder.
    "holdfast-session": r"pipe:\[\d+\]|%P/state/servers/[^/]+/.+|%P/state/(logs|backups)/.+|/.*",
    "holdfast-files": r"%P/state/servers/[^/]+(/.*)?|/memfd:.*|/.*",
    "holdfast-store": r"%P/state/store(/.*)?|%P/etc/secret\.key",
    "holdfast-shim": r"pipe:\[\d+\]|%P/state/logs(/.*)?|anon_inode:\[?pidfd\]?.*|pidfd:.*|/dev/(pts/)?ptmx|/sys/fs/cgroup/.*/cgroup\.kill",
    "holdfast-filter": r"(?!)",     # nothing more
    "holdfast-init": r"pipe:\[\d+\]|/dev/(pts/\d+|null)",
    "holdfast-archive": r"%P/state/.*|/.*",
    "holdfast-count": r"%P/state/servers/[^/]+(/.*)?|/.*|anon_inode:inotify",
    "holdfast-policy": r"/memfd:.*",
    "holdfast-prompt": r"/dev/pts/\d+",
    "holdfast-copy": r"/.*",        # folders and files of mounts that only its launch sees
    "holdfast-launch": r".*",
    "holdfast-quotafs": r"/dev/fuse|/.*",
}


def environment(prefix):
    return dict(line.rstrip("\n").split("=", 1) for line in open(f"{prefix}/rig.env") if "=" in line)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def rights():
    """Program name -> its RIGHTS, continued lines joined."""
    found = {}
    for path in glob.glob(f"{TREE}/*/*/RIGHTS"):
        text = re.sub(r"\n[ \t]+", " ", read(path))
        entry = dict(line.split(": ", 1) for line in text.strip().split("\n") if ": " in line)
        entry["path"] = os.path.relpath(path, TREE)
        found[entry.get("program", path)] = entry
    return found


def processes(prefix, uids):
    """(pid, program) of the rig: by program, and, where exe cannot be told, by name and uid."""
    for d in os.listdir("/proc"):
        if not d.isdigit():
            continue
        try:
            exe = os.readlink(f"/proc/{d}/exe")
        except OSError:
            continue
        name = os.path.basename(exe.removesuffix(" (deleted)"))
        if exe.startswith(prefix + "/") and name.startswith("holdfast"):
            yield int(d), name


def status_of(pid):
    return dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":" in line)


def uid_problem(name, uid, env):
    sessions, servers = int(env["SESSIONS_UID"]), int(env["SERVERS_UID"])
    ranges = {
        "holdfastd": (0, 1), "holdfast-launch": (int(env["SHIM_UID"]) if uid else 0, 1),      # until it becomes the shim
        "holdfast-session": (sessions, 1024), "holdfast-prompt": (sessions, 1024),
        "holdfast-policy": (sessions + 256, 1), "holdfast-store": (int(env["STORE_UID"]), 1), "holdfast-shim": (int(env["SHIM_UID"]), 1),
        "holdfast-filter": (int(env["FILTER_UID"]), 1),
        "holdfast-files": (servers, 32 * 65536), "holdfast-init": (servers, 32 * 65536), "holdfast-archive": (servers, 32 * 65536),
        "holdfast-count": (servers, 32 * 65536),
        "holdfast-copy": (servers, 32 * 65536),
    }
    if name not in ranges:
        return f"{name} is no role"
    if name == "holdfast-archive" and uid == int(env["IMAGE_UID"]):
        return ""
    first, n = ranges[name]
    return "" if first <= uid < first + n else f"uid {uid} is not in {first}+{n}"


def judge(pid, name, env, all_rights, say):
    prefix = env["PREFIX"]
    s = status_of(pid)
    if not s:
        return False
    # A sandbox's first process on its way: it has launch's name until it executes init, and capabilities over its own namespaces only.
    if name == "holdfast-launch" and os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):
        return False
    entry = all_rights.get(name)
    say(entry is not None, f"{name}: a RIGHTS file names it")
    if entry is None:
        return True
    uids = {int(x) for x in s["Uid"].split()}
    say(len(uids) == 1, f"{name}: one uid, real, effective and saved", s["Uid"])
    problem = uid_problem(name, max(uids), env)
    say(not problem, f"{name}: uid as in {entry['path']} ({entry['uid'][:40]})", problem)
    root = 0 in uids
    if not root:
        say(set(s["Groups"].split()) <= {s["Gid"].split()[0]}, f"{name}: no further groups", s["Groups"])
        # Root's then; of a sandbox, its root's.
        owner = os.stat(f"/proc/{pid}/fd").st_uid
        say(owner not in uids, f"{name}: not dumpable", owner)
    held = int(s["CapEff"], 16) | int(s["CapPrm"], 16) | int(s["CapInh"], 16) | int(s["CapAmb"], 16)
    if entry["caps"].startswith("none"):
        say(held == 0, f"{name}: caps none", hex(held))
    else:
        named = {w.upper().removeprefix("CAP_") for w in re.findall(r"[A-Za-z_]+", entry["caps"])} & set(CAPS)
        has = {CAPS[i] for i in range(len(CAPS)) if held >> i & 1}
        say(has <= named, f"{name}: no capability but those it names", " ".join(sorted(has - named)))
    if entry["syscalls"].startswith("etc/seccomp/"):
        say(s["Seccomp"].strip() == "2", f"{name}: filtered by {entry['syscalls'].split()[0]}", s["Seccomp"])
    if not root:
        say(s["NoNewPrivs"].strip() == "1", f"{name}: no_new_privs", s["NoNewPrivs"])
    links = fd_links(pid)
    allowed = re.compile("(?:" + (COMMON + "|" + KINDS[name]).replace("%P", re.escape(prefix)) + ")( \\(deleted\\))?$")
    wrong = {n: t for n, (t, _) in links.items() if not allowed.match(t)}
    say(not wrong, f"{name}: descriptors as said", wrong)
    if name == "holdfast-session":
        folders = {n: t for n, (t, is_dir) in links.items() if is_dir}
        say(not folders, f"{name}: holds no folder", folders)
        say(not any("/memfd:" in t for t, _ in links.values()), f"{name}: the host keys' memory file is closed", links)
    strangers = {n: t for n, (t, _) in links.items() if t.startswith(prefix + "/etc") and name != "holdfastd"}
    say(not strangers, f"{name}: nothing of the configuration is open", strangers)
    return True


def fd_links(pid):
    links = {}
    for n in os.listdir(f"/proc/{pid}/fd"):
        try:
            links[n] = (os.readlink(f"/proc/{pid}/fd/{n}"), os.path.isdir(f"/proc/{pid}/fd/{n}"))
        except OSError:
            pass
    return links


def printer():
    seen = {}

    def say(good, words, more=None):
        # Ten sessions are one line; a bad one shows.
        if seen.get((good, words)):
            return
        seen[good, words] = True
        print(f"{'ok' if good else 'not ok'} {words}")
        if not good:
            print(f"got: {str(more)[:500]}")
    return say


def look(prefix):
    env, all_rights, say, names = environment(prefix), rights(), printer(), set()
    for pid, name in sorted(processes(prefix, env)):
        try:
            if judge(pid, name, env, all_rights, say):
                names.add(name)
        except FileNotFoundError:
            continue
    for name in ("holdfastd", "holdfast-session", "holdfast-files", "holdfast-store", "holdfast-shim", "holdfast-init", "holdfast-filter",
                 "holdfast-prompt"):
        say(name in names, f"{name} was seen running")


def until_filtered(pid, seconds=2):
    """Or until it ought to be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and status_of(pid)["Seccomp"].strip() != "2":
        time.sleep(0.001)


def watch(prefix, seconds, wanted):
    env, all_rights, say = environment(prefix), rights(), printer()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pid, name in processes(prefix, env):
            if name != wanted:
                continue
            try:
                # Between exec and its locks a role has none yet, on a busy machine for long: look when it is at work.
                until_filtered(pid)
                lines = []
                judge(pid, name, env, all_rights, lambda *a: lines.append(a))
                if len(lines) < 5:
                    continue
                for a in lines:
                    say(*a)
                return
            except (FileNotFoundError, KeyError):
                continue
        time.sleep(0.001)
    print(f"skip {wanted} (it came and went unseen)")


if sys.argv[1] == "look":
    look(sys.argv[2])
else:
    watch(sys.argv[2], float(sys.argv[3]), sys.argv[4])
