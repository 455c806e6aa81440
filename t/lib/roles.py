"""Processes of a rig, by role: "session" is who runs PREFIX/libexec/holdfast-session, be the file there still or not."""
import os


def role_of(prefix, pid):
    """None: it is no such process, or gone."""
    try:
        exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return None
    head = f"{prefix}/libexec/holdfast-"
    return exe[len(head):] if exe.startswith(head) else None


def by_role(prefix):
    """{role: [pid, ...]}, in order."""
    found = {}
    for pid in sorted(int(d) for d in os.listdir("/proc") if d.isdigit()):
        role = role_of(prefix, pid)
        if role:
            found.setdefault(role, []).append(pid)
    return found


def of_role(prefix, role):
    return by_role(prefix).get(role, [])
