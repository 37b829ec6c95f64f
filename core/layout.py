#!/usr/bin/env python3
"""Writes layout.txt: what of the program and of the library is used, so that it is put together (see `build.rs`).

usage: layout.py trace WEFT FOLDER PROGRAM.py ...   what the programs, and a bare start, run (needs valgrind)
       layout.py write OUT WEFT=FOLDER ...          layout.txt out of such traces, each with the program that was traced

A program runs in its own folder. The names of functions differ between ways to build, so a trace of each that matters is taken.

A line is the name of a linker section, after `.text.`, with a `*` for what changes from build to build, or the path of a file of the library.
Groups of sections are separated by empty lines: what every start runs; what else most of the programs run, a quarter of them, several, one.
Within a group the linker keeps its own order. Files come in the order of how many programs use them.
"""
import bisect
import collections
import glob
import os
import re
import subprocess
import sys

START = "start"
USED_FILES = """
import atexit, sys
def note(path=sys.argv.pop(1)):
    with open(path, "w") as f:
        f.writelines(m.__file__ + "\\n" for m in list(sys.modules.values()) if getattr(m, "__file__", None))
atexit.register(note)
sys.argv[0] = sys.argv.pop(1)
if sys.argv[0]:
    with open(sys.argv[0]) as f: source = f.read()
    exec(compile(source, sys.argv[0], "exec"), {"__name__": "__main__", "__file__": sys.argv[0]})
"""


def trace(weft, folder, *programs):
    weft, folder = os.path.abspath(weft), os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    for program in ("", *programs):
        cwd, file = os.path.split(os.path.abspath(program)) if program else (".", "")
        name = os.path.join(folder, re.sub(r"\W", "_", program) or START)
        valgrind = ["valgrind", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={name}.cg", weft]
        for command in valgrind + ([file] if file else ["-c", "pass"]), [weft, "-c", USED_FILES, name + ".files", file]:
            subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, check=True)


def symbols(weft):
    """(address, size, name) of each function, sorted."""
    lines = subprocess.run(["nm", "-S", weft], capture_output=True, text=True, check=True).stdout.splitlines()
    fields = (line.split() for line in lines)
    return sorted({(int(f[0], 16), int(f[1], 16), f[3]) for f in fields if len(f) == 4 and f[2] in "tTwW"})


def addresses(path):
    """The addresses of instructions in a callgrind file: each absolute, or relative to the one before."""
    found, at = set(), 0
    with open(path) as f:
        for line in f:
            if m := re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) ", line):
                if m[1] != "*":
                    at = int(m[1], 16) if m[1][0] == "0" else at + int(m[1])
                found.add(at)
    return found


def stable(name):
    """The name without what differs between builds: hashes of crates, and numbers that tell copies of a function apart."""
    if not name.startswith("_R"):
        return name
    return re.sub(r"\.(llvm\.)?\d+$", "", re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)) + "*"


class Traces:
    def __init__(self):
        self.runs = collections.defaultdict(set)  # the names that each program runs
        self.files = collections.defaultdict(set)  # the files that it uses

    def add(self, weft, folder):
        functions = symbols(weft)
        starts = [f[0] for f in functions]
        names = collections.defaultdict(set)
        for address, _, name in functions:
            names[address].add(stable(name))
        for path in glob.glob(folder + "/*.cg"):
            for at in addresses(path):
                i = bisect.bisect_right(starts, at) - 1
                if i >= 0 and at < functions[i][0] + functions[i][1]:
                    self.runs[os.path.basename(path)[:-3]] |= names[functions[i][0]]
        for path in glob.glob(folder + "/*.files"):
            with open(path) as f:
                inside = (re.search(r"/lib/weft3\.14t?/(.*\.py)$", line.strip()) for line in f)
                self.files[os.path.basename(path)[:-6]] |= {m[1] for m in inside if m}

    def groups(self):
        often = collections.Counter(name for run in self.runs.values() for name in run)
        start = self.runs[START]
        rest = often.keys() - start
        parts = len(self.runs) / 2, len(self.runs) / 4, 2, 1
        by_part = {n: next(i for i, least in enumerate(parts) if often[n] >= least) for n in rest}
        split = [sorted(n for n in rest if by_part[n] == i) for i in range(len(parts))]
        return sorted(start), *split

    def used_files(self):
        often = collections.Counter(f for files in self.files.values() for f in files)
        start = self.files[START]
        return sorted(often, key=lambda f: (f not in start, -often[f], f))


def write(out, *traces):
    all_traces = Traces()
    for each in traces:
        all_traces.add(*each.split("="))
    groups = [*all_traces.groups(), all_traces.used_files()]
    with open(out, "w") as f:
        f.write("\n\n".join("\n".join(group) for group in groups) + "\n")


if __name__ == "__main__":
    {"trace": trace, "write": write}[sys.argv[1]](*sys.argv[2:])
