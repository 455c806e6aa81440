"""Launches killed at each of their system calls, without a daemon: lines for import_results."""
import sys

import cuts
from results import ok


def sweep(what, rig):
    clean = rig.run()
    if not ok_start(what, clean):
        return
    clone = next(n for side, n, call in clean.calls if side == "host" and call == "clone3")
    last = {side: n for side, n, _ in sorted(clean.calls)}
    rounds = [("host", "host"), ("child", "child"), ("helper", "helper"), ("child", "host"), ("host", "child"), ("helper", "host"), ("helper", "child")]
    for side, victim in rounds:
        wrong, places, before = [], 0, None
        for where, n, call in clean.calls:
            if where != side or (victim == "child" and side == "host" and n <= clone):
                continue
            # The other of the two is somewhere of its own at that time: where a run of equal calls begins is enough.
            again, before = side != victim and call == before, call
            if again:
                continue
            places += 1
            r = rig.run(f"{side} {n} kill {victim}")
            left = rig.left()
            # Killed at its exec, or as init, it is a server that has ended, and a helper at its exit has done its work; killed behind the answer,
            # launch is a shim that has died.
            late = n == last[side] or side == "host"
            # With an image the child's place is first held by a process that launch makes for an id map.
            told = r.ok is None if victim == "host" else r.ok == 0 and ("was killed" in r.text or "id map" in r.step)
            if left or r.cut is None or not (told or (late and r.ok == 1)) or (r.state is not None and not late):
                wrong.append(f"{side} {n} {call}: ok={r.ok} step={r.step} text={r.text} ran={r.state is not None} left={left} cut={r.cut}")
        ok(not wrong and places > (2 if side == "helper" else 20), f"{what}: the {victim} killed at the {side}'s {places} calls: nothing is left, nothing ran", wrong[:5])


def ok_start(what, clean):
    good = clean.ok == 1 and clean.state is not None
    ok(good, f"{what}: a start", clean.words)
    return good


for name, settings in (("server", {"net": "private", "port": 80}), ("server with an image, a filter, a group", None)):
    one = cuts.Rig(**(settings or {}))
    if settings is None:
        one.with_everything()
    sweep(name, one)
    one.end()
sys.exit(ok.failed > 0)
