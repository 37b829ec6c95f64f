"""Many threads import the same modules, and modules that import each other, for the first time at once."""
import importlib
import os
import sys
import tempfile
import threading

from _common import THREADS, check, done, same, scaled, together

NAMES = "calendar colorsys string difflib fractions html json pprint statistics textwrap uuid".split()


def import_std(number, got):
    order = NAMES[number % len(NAMES):] + NAMES[:number % len(NAMES)]
    for name in order:
        got[number][name] = importlib.import_module(name)
    check(got[number]["fractions"].Fraction(1, 3) + 1 == got[number]["fractions"].Fraction(4, 3), "fractions")


def import_made(number, r, got):
    names = ["made_%d_%d" % (r, i) for i in range(6)]
    for name in names[number % 6:] + names[:number % 6]:
        module = importlib.import_module(name)
        check(module.READY, "a module seen half done", name)
        got[number].append((name, id(module)))


got = [{} for _ in range(THREADS)]
together(THREADS, import_std, got)
for name in NAMES:
    same({id(part[name]) for part in got}, {id(sys.modules[name])}, name)

with tempfile.TemporaryDirectory() as folder:
    sys.path.insert(0, folder)
    sys.loads = []
    for r in range(scaled(30)):
        for i in range(6):
            with open(os.path.join(folder, "made_%d_%d.py" % (r, i)), "w") as f:
                f.write("import sys, time\nsys.loads.append(__name__)\nREADY = False\ntime.sleep(0.001)\n")
                if i:
                    f.write("from made_%d_%d import READY as other\nassert other\n" % (r, i - 1))
                f.write("TABLE = {n: str(n) for n in range(100)}\nREADY = True\n")
        importlib.invalidate_caches()
        got = [[] for _ in range(THREADS)]
        together(THREADS, import_made, r, got)
        for part in got:
            same(sorted(part), sorted(got[0]), "one module under two identities")
    same(sorted(sys.loads), sorted(set(sys.loads)), "a module ran twice")
    sys.path.remove(folder)
same(threading.active_count(), 1, "threads left")
done("divided work")
