"""Samples per row and peer, and how they are shown."""
import collections
import json
import statistics

Row = collections.namedtuple("Row", "key what unit better target")
TIME, RATE, COST, ZERO = "time", "rate", "cost", "zero"   # less is better, as a speed-up; more is better; less, as a part; none at all
OURS, FIRST = "holdfast", "OpenSSH"


def ratio(better, mine, other):
    """TIME: how many times as fast; RATE: how many times as much; COST: which part of it."""
    if mine is None or other is None or better == ZERO:
        return None
    above, below = (other, mine) if better == TIME else (mine, other)
    return above / below if below else None


class Results:
    def __init__(self, rows, peers):
        self.rows = {r.key: r for r in rows}
        self.peers = [p.name for p in peers]
        self.found = []

    def add(self, key, samples, detail=""):
        """SAMPLES: a list for each peer that took part."""
        row = self.rows[key]
        medians = {p: statistics.median(v) for p, v in samples.items() if v}
        ratios = {p: ratio(row.better, medians.get(OURS), m) for p, m in medians.items() if p != OURS}
        self.found.append((row, row.what + detail, samples, medians, ratios))
        return ratios

    def add_mean(self, key, ratios, detail=""):
        """The mean over several rows' ratios to each peer: RATIOS is a list of what add() has returned."""
        names = [p for p in self.peers if p != OURS]
        lists = {p: [r[p] for r in ratios if r.get(p) is not None] for p in names}
        row = self.rows[key]
        self.found.append((row, row.what + detail, {}, {}, {p: statistics.mean(v) for p, v in lists.items() if v}))

    @staticmethod
    def verdict(row, samples, ratios):
        """None, or whether the target is met."""
        if row.better == ZERO:
            return not any(samples[OURS])
        found = ratios.get(FIRST)
        if row.target is None or found is None:
            return None
        return found <= row.target if row.better == COST else found >= row.target

    def failed(self):
        """Whether ours failed at what has nothing to do with speed."""
        return any(row.better == ZERO and not self.verdict(row, samples, ratios) for row, _, samples, _, ratios in self.found)

    TARGETS = {TIME: "at least {:g}", RATE: "at least {:g}", COST: "at most {:g}", ZERO: "none"}

    def show_json(self):
        for row, what, samples, medians, ratios in self.found:
            print(json.dumps({"row": row.key, "what": what, "unit": row.unit, "better": row.better, "medians": medians, "samples": samples,
                              "ratios": ratios, "target": row.target, "met": self.verdict(row, samples, ratios)}))

    def cell(self, samples, medians, name):
        if name not in medians:
            return "-"
        v = samples[name]
        return f"{medians[name]:.4g} ({min(v):.3g}..{max(v):.3g})"

    def show(self):
        others = [p for p in self.peers if p != OURS]
        width = max([len(f"{what}, {row.unit}") for row, what, *_ in self.found] + [20])
        heads = [f"{p:>28}" for p in self.peers] + [f"{'to ' + p:>12}" for p in others]
        print(f"{'':{width}}" + "".join(heads) + f"  target to {FIRST}")
        for row, what, samples, medians, ratios in self.found:
            line = f"{what + ', ' + row.unit:{width}}" + "".join(f"{self.cell(samples, medians, p):>28}" for p in self.peers)
            for p in others:
                r = ratios.get(p)
                line += f"{f'{r:.2f}x' if r is not None else '-':>12}"
            if row.target is not None:
                word = {None: "not measured", True: "met", False: "MISSED"}[self.verdict(row, samples, ratios)]
                line += f"  {self.TARGETS[row.better].format(row.target)}: {word}"
            print(line)
