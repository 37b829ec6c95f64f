"""Every kind of native object, each in the hands of several threads at once, which call whatever methods it has with whatever arguments.

usage: hammer.py [--seed N] [--seconds S] [--threads T] [--only NAME] [--each N] [--any-memory] [--lines N] [--limit S] [--stack BYTES]

Nothing is expected of the calls but that the interpreter survives them: any exception will do, and any answer. Each round is a process
of its own, so that one that crashes, panics or hangs is named with its seed and the kinds that it had; `--seed` runs it again.
`--each` has a process go on with so many seeds, where starting one takes long; `--any-memory` sets no limit, for sanitizers;
`--lines` is how much is shown of what a failed one says, `--limit` how many seconds a round may take at most, `--stack` the size of the
threads' stacks, and so how deep native code can recurse.
"""
import argparse
import faulthandler
import os
import random
import re
import resource
import subprocess
import sys
import threading
import time


def catalogue():
    """Names and makers of objects: what they give is shared. (Of native kinds: a class written in Python may well loop for ever.)"""
    import array, bz2, codecs, collections, contextvars, csv, datetime, functools, hashlib, io, itertools, json
    import lzma, mmap, operator, pickle, queue, re, select, string, struct, tempfile, types, unicodedata, weakref
    import xml.parsers.expat, zlib, heapq, bisect, _thread, enum, dataclasses, pathlib, copy, time as tm, collections.abc, ast, textwrap
    import tokenize, symtable, warnings, logging, threading as th, concurrent.futures as cf, statistics, uuid, urllib.parse, html.parser
    import configparser, string as st, shelve, zipfile, tarfile, gzip, ipaddress, difflib, traceback, inspect, types, typing, annotationlib, sqlite3

    def gen():
        for i in range(50):
            got = yield i
            if got == 3:
                return i

    async def coro():
        return 1

    async def agen():
        for i in range(5):
            yield i

    class Plain:
        kind = 1

        def __init__(self):
            self.a = 1
            self.b = [1]

        def m(self, *a, **k):
            return a

    class Slots:
        __slots__ = ("a", "b", "__weakref__", "__dict__")

    class Rich:
        def __eq__(self, other): return True
        def __hash__(self): return 7
        def __lt__(self, other): return bool(random.getrandbits(1))
        def __len__(self): return 3
        def __getitem__(self, i):
            if isinstance(i, int) and i > 4:
                raise IndexError
            return i
        def __iter__(self): return iter([1, 2, 3])
        def __index__(self): return 2
        def __call__(self, *a): return a
        def __del__(self): pass

    class Color(enum.Enum):
        RED = 1
        BLUE = 2

    @dataclasses.dataclass(order=True)
    class Data:
        x: int = 1
        y: list = dataclasses.field(default_factory=list)

    class L(list): pass
    class D(dict):
        def __missing__(self, key): return key
    class S(str): pass
    class T(tuple): pass
    class I(int): pass

    def reader():
        return csv.reader(io.StringIO("a,b\n1,2\n" * 30))

    def parser():
        p = xml.parsers.expat.ParserCreate()
        p.StartElementHandler = lambda *a: None
        p.CharacterDataHandler = lambda *a: None
        return p

    def file():
        f = tempfile.TemporaryFile("w+")
        f.write("some text\nmore\n" * 50)
        f.seek(0)
        return f

    def raw():
        f = tempfile.TemporaryFile("w+b", buffering=0)
        f.write(b"some bytes\n" * 50)
        f.seek(0)
        return f

    def buffered():
        f = tempfile.TemporaryFile("w+b")
        f.write(b"some bytes\n" * 50)
        f.seek(0)
        return f

    def database():
        cx = sqlite3.connect(":memory:", check_same_thread=False, timeout=0.01)
        cx.executescript("create table t(a, b); insert into t values (1, zeroblob(50)), ('x', x'00ff'), (null, 2.5);")
        cx.create_function("f", -1, lambda *a: a and a[0])
        return cx

    class Lending:
        def __buffer__(self, flags):
            return memoryview(bytearray(64))

        def __release_buffer__(self, view):
            view.release()

    base = list(range(40))
    packed = zlib.compress(b"hello world" * 100)
    var = contextvars.ContextVar("v", default=1)
    return {
        "list": lambda: list(base), "dict": lambda: dict.fromkeys(map(str, base), 1), "intdict": lambda: {i: [i] for i in base},
        "set": lambda: set(base), "frozenset": lambda: frozenset(base), "tuple": lambda: (1, "a", [2], None), "str": lambda: "héllo wörld 12" * 3,
        "bytes": lambda: b"some bytes 12" * 3, "bytearray": lambda: bytearray(b"some bytes 12" * 3), "int": lambda: 10**30, "float": lambda: 1.5,
        "complex": lambda: 1 + 2j, "range": lambda: range(0, 100, 3), "slice": lambda: slice(1, 20, 2), "memoryview": lambda: memoryview(bytearray(64)),
        "viewof": lambda: memoryview(array.array("i", base)), "gen": gen, "coro": coro, "agen": agen, "plain": Plain, "slots": Slots, "rich": Rich,
        "enum": lambda: Color.RED, "enumclass": lambda: Color, "data": Data, "class": lambda: type("C", (Plain,), {"z": 1}), "bound": lambda: Plain().m,
        "func": lambda: (lambda a=1, *b, c=2, **d: (a, b, c, d)), "code": lambda: compile("x = 1\nfor i in y: print(i)", "f", "exec"),
        "sublist": lambda: L(base), "subdict": lambda: D(a=1), "substr": lambda: S("abc"), "subtuple": lambda: T((1, 2)), "subint": lambda: I(5),
        "listiter": lambda: iter(list(base)), "dictiter": lambda: iter({i: i for i in base}), "setiter": lambda: iter(set(base)), "tupleiter": lambda: iter((1, 2, 3)),
        "striter": lambda: iter("abcdé"), "rangeiter": lambda: iter(range(50)), "bytesiter": lambda: iter(b"abc"), "reversed": lambda: reversed(list(base)),
        "dictrev": lambda: reversed({i: i for i in base}), "itemsiter": lambda: iter({i: i for i in base}.items()), "callableiter": lambda: iter(lambda: 1, 2),
        "seqiter": lambda: iter(Rich()), "enumerate": lambda: enumerate(list(base)), "zip": lambda: zip(base, "abcdef"), "map": lambda: map(str, base),
        "filter": lambda: filter(None, base), "keys": lambda: {1: 2, 3: 4}.keys(), "values": lambda: {1: 2}.values(), "items": lambda: {1: 2}.items(),
        "proxy": lambda: types.MappingProxyType({"a": 1}), "namespace": lambda: types.SimpleNamespace(a=1), "cell": lambda: types.CellType(1),
        "module": lambda: types.ModuleType("m"), "exc": lambda: ValueError("x", 1), "group": lambda: ExceptionGroup("g", [ValueError(1), TypeError(2)]),
        "property": lambda: property(lambda s: 1), "static": lambda: staticmethod(len), "classm": lambda: classmethod(len), "super": lambda: super(Plain, Plain()),
        "union": lambda: int | str, "alias": lambda: list[int], "template": lambda: eval("t'a{1}b{2!r:>3}'"),
        "database": database, "dbcursor": lambda: database().execute("select x.a, y.b, f(x.a) from t x, t y"), "dbblob": lambda: database().blobopen("t", "b", 1),
        "dbrow": lambda: sqlite3.Row(database().execute("select 1 as a, 2 as b"), (1, 2)), "dbstatement": lambda: database()("select 1"),
        "lending": Lending, "lent": lambda: memoryview(Lending()),
        "deque": lambda: collections.deque(base, 60), "dequeiter": lambda: iter(collections.deque(base)), "defaultdict": lambda: collections.defaultdict(list, a=[1]),
        "ordered": lambda: collections.OrderedDict((i, i) for i in base),
        "orderediter": lambda: iter(collections.OrderedDict((i, i) for i in base)),
        "count": lambda: itertools.count(1), "cycle": lambda: itertools.cycle([1, 2, 3]), "repeat": lambda: itertools.repeat(1, 50), "chain": lambda: itertools.chain(base, base),
        "islice": lambda: itertools.islice(iter(base), 1, 30), "tee": lambda: itertools.tee(iter(base))[0], "groupby": lambda: itertools.groupby(base, lambda x: x // 5),
        "accumulate": lambda: itertools.accumulate(base), "product": lambda: itertools.product("abc", repeat=2), "perm": lambda: itertools.permutations(range(5), 3),
        "comb": lambda: itertools.combinations(range(8), 3), "combr": lambda: itertools.combinations_with_replacement("abc", 2), "starmap": lambda: itertools.starmap(pow, [(1, 2)] * 9),
        "takewhile": lambda: itertools.takewhile(bool, base[1:]), "dropwhile": lambda: itertools.dropwhile(bool, base), "pairwise": lambda: itertools.pairwise(base),
        "batched": lambda: itertools.batched(base, 3), "ziplongest": lambda: itertools.zip_longest("ab", base), "compress": lambda: itertools.compress(base, base),
        "filterfalse": lambda: itertools.filterfalse(None, base), "stringio": lambda: io.StringIO("some text\n" * 20), "bytesio": lambda: io.BytesIO(b"some bytes\n" * 20),
        "file": file, "raw": raw, "buffered": buffered, "wrapper": lambda: io.TextIOWrapper(io.BytesIO(b"abc\n" * 50)), "bufreader": lambda: io.BufferedReader(io.BytesIO(b"abc" * 50)),
        "bufrandom": lambda: io.BufferedRandom(io.BytesIO(b"abc" * 50)), "newline": lambda: io.IncrementalNewlineDecoder(None, True), "array": lambda: array.array("d", base),
        "uarray": lambda: array.array("w", "abc"), "arrayiter": lambda: iter(array.array("i", base)), "mmap": lambda: mmap.mmap(-1, 4096), "struct": lambda: struct.Struct("<ihq"),
        "unpackiter": lambda: struct.iter_unpack("<i", bytes(80)), "compressobj": lambda: zlib.compressobj(), "decompressobj": lambda: zlib.decompressobj(),
        "bz2c": lambda: bz2.BZ2Compressor(), "bz2d": lambda: bz2.BZ2Decompressor(), "lzmac": lambda: lzma.LZMACompressor(), "lzmad": lambda: lzma.LZMADecompressor(),
        "md5": lambda: hashlib.md5(b"x"), "sha256": lambda: hashlib.sha256(), "sha3": lambda: hashlib.sha3_256(), "blake": lambda: hashlib.blake2b(), "shake": lambda: hashlib.shake_128(),
        "jsonenc": lambda: json.JSONEncoder(), "jsondec": lambda: json.JSONDecoder(), "reader": reader, "writer": lambda: csv.writer(io.StringIO()),
        "pickler": lambda: pickle.Pickler(io.BytesIO()), "unpickler": lambda: pickle.Unpickler(io.BytesIO(pickle.dumps([1, {2: 3}]) * 20)), "pattern": lambda: re.compile(r"(\w+) (?P<n>\d+)?"),
        "match": lambda: re.match(r"(\w+)", "hello"), "scanner": lambda: re.compile(r"\w").scanner("hello world"), "finditer": lambda: re.finditer(r"\w", "hello world" * 5),
        "date": lambda: datetime.date(2020, 1, 2), "datetime": lambda: datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
        "delta": lambda: datetime.timedelta(1, 2), "time": lambda: datetime.time(1, 2),
        "contextvar": lambda: var, "ctx": contextvars.copy_context, "weakref": lambda: weakref.ref(Plain), "weakproxy": lambda: weakref.proxy(Plain),
        "partial": lambda: functools.partial(pow, 2), "lru": lambda: functools.lru_cache(8)(lambda *a: a), "cmpkey": lambda: functools.cmp_to_key(lambda a, b: 0)(1),
        "itemgetter": lambda: operator.itemgetter(0, 1), "attrgetter": lambda: operator.attrgetter("a"),
        "methodcaller": lambda: operator.methodcaller("m", 1), "simplequeue": queue.SimpleQueue, "lock": th.Lock, "rlock": th.RLock, "local": th.local, "event": th.Event, "sema": lambda: th.Semaphore(2),
        "poll": select.poll, "parser": parser, "incdec": lambda: codecs.getincrementaldecoder("utf-8")(), "incenc": lambda: codecs.getincrementalencoder("utf-16")(),
        "ast": lambda: ast.parse("x = [1, f(2)]"), "uuid": lambda: uuid.UUID(int=5),
        "typevar": lambda: typing.TypeVar("T"), "frame": sys._getframe, "traceback": lambda: tb(),
    }


def tb():
    try:
        raise ValueError
    except ValueError as e:
        return e.__traceback__


ENDLESS = {"count", "cycle", "callableiter"}
# What waits for others, ends the process or the test, or takes memory without end.
LEFT_OUT = {
    "__enter__", "acquire", "wait", "join", "get", "recv", "recv_into", "recvfrom", "recvfrom_into", "accept", "connect", "shutdown", "poll", "run", "_shutdown", "fileno", "detach",
    "__init_subclass__", "breakpoint", "settimeout", "setblocking", "_at_fork_reinit", "clear_frames", "__sizeof__", "ParseFile", "acquire_lock", "_acquire_restore", "disabled",
    "zfill", "ljust", "rjust", "center", "expandtabs", "__pow__", "__rpow__", "__ipow__", "__lshift__", "__rlshift__", "__ilshift__", "basicConfig", "addHandler", "truncate", "resize",
    "debug", "info", "warning", "error", "critical", "exception", "log", "handle", "callHandlers", "lastResort", "write_bytes", "_decompress", "setsockopt", "listen", "bind", "flush",
}


def work(seed, shared, values, stop):
    r = random.Random(seed)
    names = {}
    while not stop.is_set():
        name, o = r.choice(shared)
        try:
            kind = r.random()
            if kind < 0.15:
                next(o)
            elif kind < 0.2:
                repr(o)
            elif kind < 0.24:
                r.choice(values) == o, o == r.choice(values), hash(o)
            elif kind < 0.28:
                o[r.choice(values)]
            elif kind < 0.30:
                o[r.choice(values)] = r.choice(values)
            elif kind < 0.31:
                del o[r.choice(values)]
            elif kind < 0.34:
                for n, _ in zip(range(20), o):
                    pass
            elif kind < 0.36:
                len(o), bool(o), r.choice(values) in o
            elif kind < 0.38:
                o + r.choice(values), o | r.choice(values)
            elif kind < 0.4:
                import copy
                copy.copy(o)
            else:
                if name not in names:
                    names[name] = [n for n in dir(o) if n not in LEFT_OUT]
                n = r.choice(names[name])
                f = getattr(o, n)
                if callable(f):
                    f(*(r.choice(values) for _ in range(r.choice((0, 0, 1, 1, 1, 2, 2, 3)))))
                elif r.random() < 0.1 and not n.startswith("__"):
                    setattr(o, n, r.choice(values))
        except (Exception, GeneratorExit, SystemExit):
            pass


def kinds_of(seed, makers):
    return random.Random(seed).sample(sorted(makers), 4)


def process(a):
    sys.setrecursionlimit(300)
    sys.unraisablehook = lambda *a: None
    threading.excepthook = lambda *a: None
    os.chdir(__import__("tempfile").mkdtemp())
    import warnings
    warnings.simplefilter("ignore")
    makers = catalogue()
    if not a.any_memory:
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    threading.stack_size(a.stack)
    # Files are opened by number, too, and closed.
    errors = os.dup(2)
    for seed in range(a.seed, a.seed + a.each):
        os.dup2(errors, 2)
        faulthandler.dump_traceback_later(a.limit, exit=True, file=errors)
        if a.each > 1:
            os.write(errors, b"seed %d\n" % seed)
        round_(random.Random(seed), a.threads, makers, [a.only] if a.only else kinds_of(seed, makers))
    sys.stdout.flush()
    os._exit(0)


def round_(r, threads, makers, kinds):
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        shared = [(k, makers[k]()) for k in kinds]
        values = [0, 1, 2, -1, 3.5, "a", "b", b"ab", None, True, (), (1, 2), [], [1, 2, 3], {}, {"a": 1}, int, str, len, slice(0, 2), lambda *a, **k: 1,
                  iter([1, 2]), {1, 2}, "utf-8", ValueError, 255, 1 << 70] + [
                  o for k, o in shared if k not in ENDLESS and r.random() < 0.7]
        stop = threading.Event()
        ts = [threading.Thread(target=work, args=(r.random(), shared, values, stop), daemon=True) for _ in range(threads)]
        for t in ts:
            t.start()
        time.sleep(0.03)
        stop.set()
        for t in ts:
            t.join()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--threads", type=int, default=4)
    p.add_argument("--only")
    p.add_argument("--each", type=int, default=1)
    p.add_argument("--any-memory", action="store_true")
    p.add_argument("--lines", type=int, default=25)
    p.add_argument("--limit", type=int, default=30)
    p.add_argument("--stack", type=int, default=0)
    p.add_argument("--round", action="store_true")
    a = p.parse_args()
    if a.round:
        process(a)
    options = ["--threads", str(a.threads), "--each", str(a.each), "--limit", str(a.limit), "--stack", str(a.stack)]
    options += ["--only", a.only] if a.only else []
    options += ["--any-memory"] if a.any_memory else []
    end, seed, failed = time.monotonic() + a.seconds, a.seed, 0
    while time.monotonic() < end:
        cmd = [sys.executable, __file__, "--round", "--seed", str(seed)] + options
        try:
            got = subprocess.run(cmd, capture_output=True, text=True, errors="replace", timeout=2 * a.limit * a.each, stdin=subprocess.DEVNULL)
            code, err = got.returncode, got.stderr
        except subprocess.TimeoutExpired as e:
            code, err = "still running", (e.stderr or b"").decode(errors="replace")
        # Lists that are fed with themselves: the system has no more memory to give.
        if code == -6 and re.search("^memory allocation of", err, re.M):
            code = 0
        if code != 0 or "panicked" in err:
            failed += 1
            last = max([seed] + [int(line[5:]) for line in err.splitlines() if re.fullmatch("seed [0-9]+", line)])
            kinds = a.only or kinds_of(last, catalogue())
            print("seed %d: %s, with %s\n%s" % (last, code, kinds, "".join("    | %s\n" % line for line in err.splitlines()[-a.lines:])), flush=True)
        seed += a.each
    print("%d rounds, %d failed" % (seed - a.seed, failed))
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
