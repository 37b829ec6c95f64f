"""A configuration read by all threads and replaced, whole or in part, by one."""
import threading
import time
import types

from _common import THREADS, check, done, join, same, scaled, spawn, together

READS = scaled(300_000)


class Config:
    def __init__(self, version):
        self.version = version
        self.limits = {"low": version, "high": version + 100}
        self.hosts = tuple("host-%d-%d" % (version, i) for i in range(5))
        self.sub = types.SimpleNamespace(version=version, names=["a", "b", str(version)])

    def consistent(self):
        v = self.version
        return (self.limits["low"] == v and self.limits["high"] == v + 100 and self.hosts[4] == "host-%d-4" % v
                and self.sub.version == v and self.sub.names[2] == str(v))


current = Config(0)
table = {"config": current, "flags": frozenset({0}), "plain": 0}


def replace(number, stop):
    global current
    version = 0
    while not stop.is_set():
        version += 1
        fresh = Config(version)
        current = fresh
        table["config"] = fresh
        table["flags"] = frozenset({version, version + 1})
        table["plain"] = version
        table["more-%d" % (version % 50)] = fresh
        if version % 100 == 0:
            for i in range(50):
                table.pop("more-%d" % i, None)
            time.sleep(0.001)


def read(number):
    last = 0
    for _ in range(READS // 4):
        config = current
        check(config.consistent(), "torn")
        check(config.version >= last, "went back in time")
        last = config.version
        check(table["config"].consistent(), "torn in the table")
        flags = table["flags"]
        check(max(flags) - min(flags) <= 1, "torn set")
        more = table.get("more-%d" % (last % 50))
        check(more is None or more.consistent(), "torn extra")
        check(table["plain"] >= 0, "plain")


stop = threading.Event()
writer = spawn(1, replace, stop)
together(THREADS, read)
stop.set()
join(writer)
same(table["config"].version, current.version, "the last version")

# values swapped in place while others read: both are always one of those put there
pair = [("a", 1), ("b", 2)]
slots = types.SimpleNamespace(x=pair[0], y=pair[1])


def swap(number, stop):
    while not stop.is_set():
        slots.x, slots.y = slots.y, slots.x
        slots.x = (slots.x[0], slots.x[1])


def look(number):
    for _ in range(READS):
        check(slots.x in pair and slots.y in pair, "neither value")


stop = threading.Event()
writer = spawn(1, swap, stop)
together(THREADS, look)
stop.set()
join(writer)
done()
