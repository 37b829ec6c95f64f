#!/usr/bin/env python3
"""Writes layout.txt: what of the program and of the library is used, so that it is put together (see `build.rs`).

usage: layout.py trace WEFT FOLDER PROGRAM.py ...   what the programs, and a bare start, run (needs valgrind)
       layout.py write OUT WEFT=FOLDER ...          layout.txt out of such traces, each with the program that was traced

A program runs in its own folder. The names of functions differ between ways to build, so a trace of each that matters is taken.

A line is the name of a linker section, after `.text.`, without what changes from build to build (there a `*` stands), or the beginning
of such names, or the path of a file of the library. Groups of sections are separated by empty lines: what every start runs; names that many
functions bear of which few run; what else most of the programs run, a quarter of them, several, one; modules of which most is used, for
functions that are new since. Within a group the linker keeps its own order. Files come in the order of how many programs use them.
"""
import bisect
import collections
import glob
import json
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


def modules(name):
    """The modules, from the outermost, that a name is in, as patterns: a name has its parts with their lengths, ended by a hash."""
    found, at = [], 3
    while name.startswith("_ZN") and (m := re.match(r"\d+", name[at:])):
        found.append(name[:at])
        at += len(m[0]) + int(m[0])
        if at >= len(name):
            break
    return [pattern + "*" for pattern in found[2:] if not re.match(r"_ZN\d+_", pattern)]


def stable(name):
    """The name without hashes of the build."""
    name = re.sub(r"\.llvm\.\d+$", "", name)
    if m := re.match(r"(.*17h)[0-9a-f]{16}E(\..*)?$", name):
        return m[1] + "*"
    return re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name) if name.startswith("_R") else name


class Traces:
    def __init__(self):
        self.runs = collections.defaultdict(set)  # the names that each program runs
        self.files = collections.defaultdict(set)  # the files that it uses
        self.sizes = {}  # of a name, bytes that run, and all bytes

    def add(self, weft, folder):
        functions = symbols(weft)
        starts = [f[0] for f in functions]
        names, whole = collections.defaultdict(set), collections.Counter()
        for address, size, name in functions:
            names[address].add(stable(name))
            whole[stable(name)] += size
        used = collections.Counter()
        met = set()
        for path in glob.glob(folder + "/*.cg"):
            for at in addresses(path):
                i = bisect.bisect_right(starts, at) - 1
                if i < 0 or at >= functions[i][0] + functions[i][1]:
                    continue
                address, size, _ = functions[i]
                self.runs[os.path.basename(path)[:-3]] |= names[address]
                if address not in met:
                    met.add(address)
                    used.update({name: size for name in names[address]})
        for name in whole:
            old = self.sizes.get(name, (0, 0))
            self.sizes[name] = max(old[0], used[name]), max(old[1], whole[name])
        for path in glob.glob(folder + "/*.files"):
            with open(path) as f:
                inside = (re.search(r"/lib/weft3\.14t?/(.*\.py)$", line.strip()) for line in f)
                self.files[os.path.basename(path)[:-6]] |= {m[1] for m in inside if m}

    def whole_modules(self):
        """Of our own, the outermost modules that are mostly used."""
        used, whole = collections.Counter(), collections.Counter()
        for name, (u, w) in self.sizes.items():
            for module in modules(name) if "weft_" in name else ():
                used[module] += u
                whole[module] += w
        mostly = {m for m in used if used[m] * 2 >= whole[m]}
        return sorted(m for m in mostly if not any(outer in mostly for outer in modules(m[:-1])))

    def groups(self):
        often = collections.Counter(name for run in self.runs.values() for name in run)
        rare = {n for n, (used, whole) in self.sizes.items() if n in often and used * 3 < whole and whole > 4096}
        start = self.runs[START] - rare
        rest = often.keys() - rare - start
        parts = len(self.runs) / 2, len(self.runs) / 4, 2, 1
        by_part = {n: next(i for i, least in enumerate(parts) if often[n] >= least) for n in rest}
        split = [sorted(n for n in rest if by_part[n] == i) for i in range(len(parts))]
        return sorted(start), sorted(rare), *split, self.whole_modules()

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
