#!/usr/bin/python3 -B
"""Judges what t/payload/probe saw: probe_check.py REPORT HOST_NAMESPACES PREFIX SERVERS_UID STATUS_JSON"""
import json
import os
import sys

from results import ok

r = json.load(open(sys.argv[1]))
host_ns = set(open(sys.argv[2]).read().split())
prefix, base = sys.argv[3], int(sys.argv[4])
status = json.loads(sys.argv[5].splitlines()[0])
tried = r["tried"]


def failed(name):
    """Whether what was tried came to nothing."""
    said = tried.get(name, "worked: it was not tried")
    return not said.startswith("worked") or said == "worked: b''"      # an empty file is a hidden one


ok(not r.get("broken"), "the probe ran through", r.get("broken"))
s = r["status"]
for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    ok(int(s[caps], 16) == 0, f"{caps} is empty", s[caps])
ok(s["NoNewPrivs"].strip() == "1", "no_new_privs")
ok(s["Seccomp"].strip() == "2", "a seccomp filter")
ok("0" not in s["Uid"].split(), "uid is not 0, inside either", s["Uid"])
ok(not s["Groups"].split() or s["Groups"].split() == s["Gid"].split()[:1], "no further groups", s["Groups"])
for kind in ("uid_map", "gid_map"):
    m = [int(x) for x in r[kind]]
    hosts = [(m[i + 1], m[i + 2]) for i in range(0, len(m), 3)]
    ok(all(base <= first and first + n <= base + 32 * 65536 for first, n in hosts), f"{kind} holds only its range", m)
for name, value in r["ns"].items():
    ok(value not in host_ns, f"its own {name} namespace")
ok(r["time_for_children"] == r["ns"]["time"], "its children stay in its time namespace", r["time_for_children"])
ok(all(0 < r["clocks"][c] < 60 for c in ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME")) and 0 < r["uptime"] < 60, "its clocks count from its start", [r["clocks"], r["uptime"]])
ok(abs(r["clocks"]["CLOCK_REALTIME"] - os.stat(sys.argv[1]).st_mtime) < 120, "but it has the time of day", r["clocks"])
ok(len(r["processes"]) < 12, "it sees its own processes only", r["processes"])
ok(set(r["fds"]) <= {"0", "1", "2", "3", "4"} and not any(prefix in v for v in r["fds"].values()), "no descriptor beyond 0, 1, 2 came along", r["fds"])
text = "\n".join(r["mountinfo"])
ok("holdfast-rig" not in text and prefix not in text, "no path of the host in its mounts", [l for l in r["mountinfo"] if "holdfast" in l])
points = {l.split()[4]: l for l in r["mountinfo"]}
for point, line in points.items():
    options = line.split()[5].split(",")
    if point in ("/", "/usr", "/etc") or point.startswith(("/usr/", "/etc/")):
        ok("ro" in options, f"{point} is read-only", line)
    # What hides a file of /proc is the null device itself.
    if point not in ("/dev", "/dev/pts") and not point.startswith("/dev/") and " /null " not in line:
        ok("nodev" in options, f"{point} is nodev", line)
    ok("nosuid" in options, f"{point} is nosuid", line)
ok(not any(line.split(" - ")[1].split()[0] in ("sysfs", "cgroup", "debugfs", "tracefs", "securityfs", "bpf") for line in r["mountinfo"]),
   "no sysfs, debugfs", r["mountinfo"])
groups = [line.split() for line in r["mountinfo"] if " - cgroup2 " in line]
ok(all(g[3] == "/" and g[4] == "/sys/fs/cgroup" and {"ro", "nosuid", "nodev", "noexec"} <= set(g[5].split(",")) for g in groups) and len(groups) <= 1,
   "of cgroups its own alone, read-only", groups)
SYS = {"/sys/devices/system/cpu/" + n for n in ("online", "possible", "present")} | \
      {"/sys/kernel/mm/transparent_hugepage/" + n for n in ("enabled", "defrag", "shmem_enabled", "hpage_pmd_size")}
ok({n for n in r["sys"] if not (groups and n.startswith("/sys/fs/cgroup/"))} == {n for n in SYS if os.path.exists(n)}, "/sys has these files and no others", r["sys"])
ok(r["processors"][:2] == [os.sysconf("SC_NPROCESSORS_ONLN"), os.sysconf("SC_NPROCESSORS_CONF")] and r["processors"][2] == r["processors"][1],
   "it knows how many processors there are, by files and by folders", r["processors"])
ok(not groups or set(r["own group"]) <= set(r["processes"]) | {"1"}, "its group holds its own processes", [r["own group"], r["processes"]])
if status.get("limits") == "missing":
    print("skip its limits can be read (this machine has no v2 controllers)")
else:
    ok(groups and r["memory.max"] == str(128 << 20) and r["cpu.max"] == "100000 100000", "its limits can be read", [r["memory.max"], r["cpu.max"]])
ok(r["tells"] == [], "nothing of /proc tells of the machine's devices, locks and counters", r["tells"])
ok(r["writable"] == [], "nothing of /proc and /sys is writable", r["writable"])
ok(len(r["boot_id"]) == 36 and r["boot_id"] != open("/proc/sys/kernel/random/boot_id").read().strip(), "a boot id of its own", r["boot_id"])
ok(set(r["var"]) <= {"empty", "run", "tmp"}, "nothing of the host's /var", r["var"])
ok(not {"root", "boot", "srv", "media", "mnt", "opt", "sys"} & {d for d in r["root"] if not os.path.islink("/" + d)} - {"sys", "opt"},
   "no /root, /boot", r["root"])
ok(r["home"] == ["server"], "/home holds server alone", r["home"])
ok(len(r["etc"]) < 30 and not {"shadow", "ssh", "holdfast", "gshadow", "sudoers"} & set(r["etc"]), "/etc is small and has no secret", r["etc"])
ok(set(r["dev"]) <= {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr", "mqueue", "core", "console"},
   "/dev holds the harmless devices alone", r["dev"])
ok("HOLDFAST_SECRET_OF_THE_TEST" not in r["environ"] and not any("holdfast-rig" in v for v in r["environ"].values()), "no environment of the host", r["environ"])
ok(r["environ"].get("GREETING") == "hello there", "its own environment from the ini", r["environ"])
ok(r["environ"].get("SERVER_IP") == status["address"] and r["environ"].get("SERVER_IP6") == (status["address6"] or ""),
   "and its addresses, those in status", [r["environ"].get(k) for k in ("SERVER_IP", "SERVER_IP6")])
ok(r["cwd"] == "/home/server", "it starts in /home/server", r["cwd"])
ok(r["hostname"] != os.uname().nodename, "its own host name", r["hostname"])
ok("lo" in r["interfaces"] and len(r["interfaces"]) == 2, "one interface beside lo", r["interfaces"])
ok("127.0.0.1 localhost\n" in r["hosts"] and "::1 localhost\n" in r["hosts"], "localhost is known in both families", r["hosts"])
ok("127." not in r["resolv"] and "nameserver" in r["resolv"], "resolvers of its own", r["resolv"])
ok(r["cgroup"].strip().splitlines()[-1].split(":")[2] == "/" , "the host's cgroup path is not seen", r["cgroup"])
ok(r["keys"].startswith("!") or r["keys"] == "", "/proc/keys tells nothing", r["keys"])
ok(r["limits"]["RLIMIT_CORE"][1] <= 1, "no core file, not even by a pipe", r["limits"])
import resource
most = min(65535, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
ok(r["limits"]["RLIMIT_NOFILE"][1] == most, f"{most} descriptors", r["limits"])
tmp, home = r["statvfs /tmp"], r["statvfs /home/server"]
ok(tmp["size"] == 32 << 20 and tmp["flags"] & 6 == 6, "/tmp: a quarter of its memory where that is less than 100 MiB; nosuid, nodev", tmp)
ok(48 << 20 <= home["size"] <= 70 << 20, "its disk shows about its limit (reserved blocks count as size)", home)
ok(home["inodes"] <= 21000, "and its inodes", home)
for name in sorted(tried):
    if name.startswith(("write /tmp", "write /home/server", "socket AF_INET")):
        ok(not failed(name), f"{name} works", tried[name])
    elif name == "set-user-id file":
        ok(True, f"set-user-id files do nothing on a nosuid mount ({tried[name]})")
    elif name == "fork":
        n = int(tried[name].split(": ")[1]) if ": " in tried[name] else -1
        if status.get("limits") == "missing":
            print(f"skip at most 64 processes (this machine has no v2 controllers: {tried[name]})")
        else:
            ok(0 < n <= 64, "at most 64 processes", tried[name])
    elif name == "400 MiB of memory":
        if status.get("limits") == "missing":
            print(f"skip the memory limit (this machine has no v2 controllers: {tried[name]})")
        else:
            ok(failed(name), "400 MiB do not fit in 128", tried[name])
    else:
        ok(failed(name), f"cannot: {name}", tried[name])
