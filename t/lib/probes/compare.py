#!/usr/bin/python3 -B
"""compare.py TABLE ANSWERS: whether each probe of `prober --list` came to what it must.  Lines for import_results."""
import sys

table = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
answers = dict(line.rstrip("\n").split("\t", 1) for line in open(sys.argv[2]))
for name, kind, want, off, _, why in table:
    if kind != "probe":
        continue
    got = answers.get(name, "no answer")
    by = off if off != "-" else why
    print(f"ok {name}: {got} ({by})" if got in want.split("|") else f"not ok {name}: {got}; wanted {want} ({by})")
