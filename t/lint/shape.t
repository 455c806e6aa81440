#!/usr/bin/python3 -B
"""Sizes: files, functions, lines; no variable-length array and no silenced warning."""
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import CODE, TREE, Tap, bare, files, lint, read

FILE_MOST, FUNCTION_MOST, MEDIAN_MOST = 600, 60, 20
TOPS = CODE + ("t",)


def functions(text):
    """(line, length) of each function: the house puts both braces in column 0."""
    start = None
    for n, line in enumerate(bare(text).split("\n"), 1):
        if line.rstrip() == "{":
            start = n
        elif line.rstrip() == "}" and start:
            yield start, n - start - 1
            start = None


def too_long(tree):
    problems = []
    for path in files(tree, tops=TOPS):
        text = read(tree, path)
        lines = text.count("\n")
        if lines > FILE_MOST:
            problems.append(f"{path}:{lines}: {lines} lines; at most {FILE_MOST}")
        for at, length in functions(text):
            if length > FUNCTION_MOST:
                problems.append(f"{path}:{at}: a function of {length} lines; at most {FUNCTION_MOST}")
    return problems


def silenced(tree):
    """-Wvla and its like are errors in every build; so only what turns them off has to be looked for (Criterion's macros need some
    off in t/)."""
    problems = []
    for path in files(tree, suffixes=(".c", ".h", ".mk", ".am", ".ac")):
        for n, line in enumerate(read(tree, path).split("\n"), 1):
            if re.search(r"GCC diagnostic (ignored|warning)|-Wno-(error|vla|all|extra|conversion|shadow)", line):
                problems.append(f"{path}:{n}: silences a warning: {line.strip()}")
    return problems


BODY = "    x();\n"
tap = Tap()
lint(tap, f"files up to {FILE_MOST} lines, functions up to {FUNCTION_MOST}", too_long, {
    "base/long.c": "int a;\n" * 601, "base/fits.c": "int a;\n" * 600,
    "base/f.c": "void f(void)\n{\n" + BODY * 61 + "}\nvoid g(void)\n{\n" + BODY * 60 + "}\n",
}, also=("base/long.c:601", "base/f.c:2"))
lint(tap, "no warning is silenced", silenced, {
    "base/p.c": "#pragma GCC diagnostic ignored \"-Wvla\" /* BAD */\nint x;\n",
    "base/local.mk": "x_CFLAGS = -Wno-vla # BAD\nx_CFLAGS = -Wvla\n"})

configure = read(TREE, "configure.ac")
missing = [f for f in ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla", "-Wformat=2", "-Werror") if f not in configure]
tap.ok(not missing, "configure asks for every warning, as an error", [f"configure.ac: {f} is missing" for f in missing])

lengths = [length for path in files(TREE) for _, length in functions(read(TREE, path))]
median = statistics.median(lengths or [0])
tap.ok(median <= MEDIAN_MOST, f"the median function has at most {MEDIAN_MOST} lines ({median:g} of {len(lengths)} functions)")
tap.end()
