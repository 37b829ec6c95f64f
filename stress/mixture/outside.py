"""Files and imports."""
import importlib
import io
import json
import os
import re
import shutil
import struct
import sys
import tempfile
import zlib

from parts import Logs, Part, check, same


class Files(Part):
    """Lines that many threads append to one file arrive whole; own files hold what was written."""
    OPS = ("append", "buffered", "own", "own", "read", "memory", "listing")

    def start(self):
        self.folder = tempfile.mkdtemp(prefix="weft-mixture-")
        self.shared = os.path.join(self.folder, "shared")
        self.fd = os.open(self.shared, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self.file = open(os.path.join(self.folder, "buffered"), "wb")
        self.lines = Logs(self.threads)
        self.words = Logs(self.threads)
        self.reader = open(self.shared, "rb")

    def append(self, worker):
        line = "%d %d\n" % (worker.number, len(self.lines.of(worker)))
        same(os.write(self.fd, line.encode()), len(line), "written")
        self.lines.of(worker).append(line)

    def buffered(self, worker):
        line = b"<%d %d>\n" % (worker.number, worker.random.randrange(1000))
        same(self.file.write(line), len(line), "written")
        self.words.of(worker).append(line)
        if worker.random.random() < 0.1:
            self.file.flush()

    def own(self, worker):
        path = os.path.join(self.folder, "own %d.txt" % worker.number)
        lines = ["%d: \u00e9 %s\n" % (i, "z" * worker.random.randrange(100)) for i in range(20)]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)
        with open(path, encoding="utf-8") as file:
            same(list(file), lines, "an own file")
            file.seek(0)
            same(file.read(), "".join(lines), "an own file at once")
        os.remove(path)
        check(not os.path.exists(path), "removed, yet there")

    def read(self, worker):
        with open(self.shared) as file:
            found = file.read().splitlines()
        # The last line may be on its way only if the system writes in pieces, which it does not.
        mine = [line for line in found if line.startswith("%d " % worker.number)]
        same(len(mine), len(self.lines.of(worker)), "my lines")
        data = os.pread(self.reader.fileno(), 100, 0)
        check(re.fullmatch(rb"(\d+ \d+\n)*(\d+( \d*)?)?", data), "torn lines", data)

    def memory(self, worker):
        data = bytes(worker.random.randrange(256) for _ in range(200))
        same(zlib.decompress(zlib.compress(data)), data, "zlib")
        same(struct.unpack("<50I", struct.pack("<50I", *struct.unpack("<50I", data))), struct.unpack("<50I", data), "struct")
        thing = {"n": worker.number, "list": [1, 2.5, None, "\u20ac"], "of": {"a": True}}
        same(json.loads(json.dumps(thing)), thing, "json")
        text = io.StringIO()
        for i in range(10):
            print(i, file=text)
        same(text.getvalue().split(), [str(i) for i in range(10)], "StringIO")

    def listing(self, worker):
        check({"shared", "buffered"} <= set(os.listdir(self.folder)), "listing")

    def settle(self):
        self.file.flush()
        with open(self.shared) as file:
            same(sorted(file), sorted(self.lines.all()), "shared file")
        with open(self.file.name, "rb") as file:
            same(sorted(file), sorted(self.words.all()), "buffered file")
        result = len(self.lines.all()), sorted(self.words.all())
        os.truncate(self.fd, 0)
        self.file.seek(0)
        self.file.truncate()
        self.lines.clear()
        self.words.clear()
        return result

    def close(self):
        os.close(self.fd)
        self.file.close()
        self.reader.close()
        shutil.rmtree(self.folder)


MODULE = """
import weft_mixture_log
weft_mixture_log.ran.append(__name__)
import {other}
VALUE = {value}
def get():
    return VALUE, {other}.VALUE
"""


class Imports(Part):
    """A module is run once, whoever imports it first, and nobody sees half of it."""
    OPS = ("fetch", "fetch", "again", "library")
    COUNT = 16

    def start(self):
        self.folder = tempfile.mkdtemp(prefix="weft-mixture-")
        sys.path.insert(0, self.folder)
        with open(os.path.join(self.folder, "weft_mixture_log.py"), "w") as file:
            file.write("ran = []\n")
        with open(os.path.join(self.folder, "weft_mixture_leaf.py"), "w") as file:
            file.write("VALUE = 'leaf'\n")
        for i in range(self.COUNT):
            # Each imports the next but the last: chains that threads enter anywhere.
            other = "weft_mixture_%d" % (i + 1) if i + 1 < self.COUNT else "weft_mixture_leaf"
            with open(os.path.join(self.folder, "weft_mixture_%d.py" % i), "w") as file:
                file.write(MODULE.format(other=other, value=i))
        importlib.invalidate_caches()
        self.wanted = Logs(self.threads)

    def fetch(self, worker):
        i = worker.random.randrange(self.COUNT)
        module = importlib.import_module("weft_mixture_%d" % i)
        following = i + 1 if i + 1 < self.COUNT else "leaf"
        same(module.get(), (i, following), "half a module")
        self.wanted.of(worker).append(i)

    def again(self, worker):
        name = "weft_mixture_own_%d" % worker.number
        path = os.path.join(self.folder, name + ".py")
        with open(path, "w") as file:
            file.write("VALUE = %d\n" % worker.number)
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        same(importlib.import_module(name).VALUE, worker.number, "an own module")

    def library(self, worker):
        name = worker.random.choice(("bisect", "heapq", "textwrap", "colorsys", "fnmatch", "string", "html"))
        module = importlib.import_module(name)
        check(module is sys.modules[name], "another module")

    def settle(self):
        import weft_mixture_log
        first = min(self.wanted.all(), default=self.COUNT)
        ran = sorted(weft_mixture_log.ran)
        same(ran, sorted("weft_mixture_%d" % i for i in range(first, self.COUNT)), "modules that ran")
        weft_mixture_log.ran.clear()
        for i in range(self.COUNT):
            sys.modules.pop("weft_mixture_%d" % i, None)
        self.wanted.clear()
        return ran

    def close(self):
        sys.path.remove(self.folder)
        sys.path_importer_cache.pop(self.folder, None)
        for name in [name for name in sys.modules if name.startswith("weft_mixture_")]:
            del sys.modules[name]
        shutil.rmtree(self.folder)


PARTS = [Files, Imports]
