#!/usr/bin/python3 -B
"""A launch with one system call failing, for every call that launch, its helper and the sandbox's first process make and for several reasons: the start fails,
names the step and the reason, and nothing of the server has run; or the call stands in the list below with a reason, and what runs is locked as
ever."""
import collections
import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
if os.geteuid() != 0 or "BUILD" not in os.environ:
    print("1..0 # SKIP needs root and BUILD=")
    sys.exit(0)
os.environ["BUILD"] = os.path.abspath(os.environ["BUILD"])
import cuts

# Where a call may fail and the start goes on, or cannot be named: (side, call, reason), what comes of it, why.
#   same: the server runs, with exactly the state of an undisturbed start;  other: it runs, with another state that is harmless
#   silent: there is no answer, nothing ran;  dead: the answer was good already, the link ends, nothing ran for long
ALLOWED = {
    ("host", "setsid", "EPERM"): ("same", "who leads a session already needs no other"),
    ("host", "capget", "*"): ("same", "libcap asks which version of the call the kernel speaks, and goes on with the newest"),
    ("child", "capget", "*"): ("same", "as above"),
    ("host", "prctl", "EINVAL"): ("same", "the end of the kernel's list of capabilities; in the middle of the list it is fatal"),
    ("child", "prctl", "EINVAL"): ("same", "as above"),
    ("child", "keyctl", "ENOSYS"): ("same", "a kernel without keys has none to leave"),
    ("child", "readlink", "EINVAL"): ("other", "the host's /etc/localtime is no link: the time is UTC"),
    ("host", "mount_setattr", "EINVAL"): ("other", "the image's file system has no mapped mounts: its files are nobody's, to read only as ever"),
    ("host", "sendmsg", "*"): ("silent dead", "the answer itself, then the message that starts the server: the link's end tells"),
    ("host", "execve", "*"): ("dead", "the answer is out: the link's end tells, and ends the sandbox"),
}
# How often at most; without an entry: any number.
AT_MOST = {("host", "prctl"): 1, ("child", "prctl"): 1, ("host", "sendmsg"): 2, ("host", "mount_setattr"): 1}
# Calls that cannot fail, so that nobody looks: close lets go whatever it says, umask only has a former value to say, exit_group no answer.
NEVER = ("close", "umask", "exit_group")
ERRORS = ("EPERM", "ENOMEM", "ENOSYS", "EINVAL")

count = bad = 0


def ok(good, words, *more):
    global count, bad
    count += 1
    bad += not good
    print("ok" if good else "not ok", count, "-", words, flush=True)
    if not good:
        for line in more:
            print("#", str(line)[:400])
    return good


def outcome(r, no, clean):
    """One word of the list above, or "fatal", or a description."""
    if r.ok == 0 and r.errno == no and r.step and r.state is None:
        return "fatal"
    if r.ok is None and r.state is None:
        return "silent"
    if r.ok == 1 and "ended code=0" in r.words:
        return "same" if r.state == clean else "other"
    if r.ok == 1:
        return "dead"
    return f"ok={r.ok} errno={r.errno} step={r.step} text={r.text} ran={r.state is not None}"


def sweep(rig, what, names):
    clean = rig.run()
    again = rig.run()
    if not ok(clean.ok == 1 and clean.state, f"{what}: a start", clean.words):
        return
    ok(sorted(clean.calls) == sorted(again.calls) and clean.state == again.state, f"{what}: two starts make the same calls")
    met = set()
    for name in names:
        no = getattr(errno, name)
        problems, seen, made = collections.defaultdict(list), collections.Counter(), collections.Counter()
        for side, n, call in sorted(clean.calls):
            if call in NEVER:
                continue
            made[side, call] += 1
            r = rig.run(f"{side} {n} {no}")
            got = outcome(r, no, clean.state) if r.cut else "the call was not reached"
            if got == "fatal":
                continue
            key = next((k for k in ((side, call, name), (side, call, "*")) if k in ALLOWED), None)
            seen[side, call] += 1
            if key is None or got not in ALLOWED[key][0].split() or seen[side, call] > AT_MOST.get((side, call), 1000):
                problems[side, call].append(f"{side} {n} {call} = {name}: {got}; {r.words.strip()[-200:]!r}")
            elif key:
                met.add(key)
        for (side, call), times in sorted(made.items()):
            ok(not problems[side, call], f"{what}: {side}: {call} fails with {name}, {times} places", *problems[side, call][:4])
        ok(rig.left() == [], f"{what}: {name}: nothing is left", *rig.left(0))
    return met


rig = cuts.Rig(net="private", port=80)
met = sweep(rig, "server", ERRORS)
rig.end()
rig = cuts.Rig()
rig.with_everything()
met = (met or set()) | (sweep(rig, "with an image, a filter, a group", ("EPERM", "EINVAL")) or set())
rig.end()
ok(met == set(ALLOWED), "every row of the list was met", set(ALLOWED) - met)
for what, settings in (("with a terminal", {"tty": 1}), ("errand", {"errand": 1, "write": 1})):
    rig = cuts.Rig(**settings)
    sweep(rig, what, ("EPERM",))
    rig.end()
print(f"1..{count}")
sys.exit(bad > 0)
