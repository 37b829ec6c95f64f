"""How soon shared objects die, and how long threads stand still, while all cores are busy.

    weft [--stats] stress/handshake.py [THREADS [SECONDS]]

THREADS (8) threads compute. One of them drops the last reference to a shared object now and then, which dies after a handshake: it goes on
computing and notes when the weak reference's callback is called. Then the same with a gc.collect() now and then. A thread's longest
stall is the longest time between two looks at the clock, with a few microseconds of work between them; the same is measured of as many
processes that have nothing to do with each other, which is what the system itself does to threads that are more than its cores. Last, how late one more thread is, or process, that sleeps
for a millisecond again and again: what threads have to wait that share an interpreter lock, until its switch interval is over.

Behind each line's times stand the same in the time that the process has had the cores meanwhile, divided by their number: what it would have
been if nothing else had run on the machine.
"""

import gc
import os
import sys
import threading
import time
import weakref

CORES = len(os.sched_getaffinity(0))


def clock():
    """Now, and the cores' time that the process has had."""
    return time.perf_counter(), time.process_time() / CORES


def since(then):
    now = clock()
    return now[0] - then[0], now[1] - then[1]


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, by):
        return Point(self.x + by, self.y - by)


def work(n):
    """Some microseconds of calls, objects and containers."""
    points = [Point(i, n) for i in range(8)]
    names = {}
    for p in points:
        q = p.moved(3)
        names[q.x] = [q.y, p]
    return sum(v[0] for v in names.values())


def compute(until, stalls, dropping=None):
    """Looks at the clock between two pieces of work, and notes the longest ones."""
    last = clock()
    longest = own = 0.0
    n = 0
    while last[0] < until:
        work(n)
        n += 1
        if dropping is not None:
            dropping(last)
        now = clock()
        longest = max(longest, now[0] - last[0])
        own = max(own, now[1] - last[1])
        last = now
    stalls.append((longest, own))


def doze(until, late):
    """Sleeps for a millisecond again and again, and notes how much longer that was."""
    while (begin := clock())[0] < until:
        time.sleep(0.001)
        now = since(begin)
        late.append((now[0] - 0.001, now[1]))


class Dropper:
    """Has a shared object die every so often."""

    def __init__(self, pause):
        self.pause = pause
        self.times = []
        self.due = 0.0
        self.begin = None
        self.ref = None
        self.shared = [None]
        globals()["SHARED"] = self.shared

    def __call__(self, now):
        if self.ref is None and now[0] >= self.due:
            o = Point(1, 2)
            self.shared[0] = o
            self.ref = weakref.ref(o, self.died)
            del o
            self.begin = clock()
            self.shared[0] = None

    def died(self, ref):
        self.times.append(since(self.begin))
        self.ref = None
        self.due = clock()[0] + self.pause


class Collector:
    """Collects every so often."""

    def __init__(self, pause):
        self.pause = pause
        self.due = 0.0
        self.times = []

    def __call__(self, now):
        if now[0] >= self.due:
            begin = clock()
            gc.collect()
            self.times.append(since(begin))
            self.due = clock()[0] + self.pause


def parts(times):
    times = sorted(times)
    part = lambda p: times[min(len(times) - 1, len(times) * p // 100)] * 1e3
    return f"p50 {part(50):.3f} ms, p99 {part(99):.3f} ms, max {times[-1] * 1e3:.3f} ms"


def show(what, times):
    if times:
        whole, own = zip(*times)
        print(f"{what:<34}{len(times):>7}   {parts(whole)} | {parts(own)}")


def run(threads, seconds, dropping):
    stalls = []
    until = clock()[0] + seconds
    all = [threading.Thread(target=compute, args=(until, stalls, dropping if i == 0 else None)) for i in range(threads)]
    for t in all:
        t.start()
    for t in all:
        t.join()
    show("longest stall of each thread", stalls)


def doze_among(threads, seconds):
    late = []
    until = clock()[0] + seconds
    all = [threading.Thread(target=compute, args=(until, [])) for _ in range(threads)]
    all.append(threading.Thread(target=doze, args=(until, late)))
    for t in all:
        t.start()
    for t in all:
        t.join()
    show("late from a sleep of 1 ms", late)


def processes(count, seconds):
    """The same without a runtime in common; this one sleeps."""
    stalls, late = [], []
    until = clock()[0] + seconds
    pipes = []
    for _ in range(count):
        r, w = os.pipe()
        if os.fork() == 0:
            compute(until, stalls)
            os.write(w, repr(stalls[0]).encode())
            os._exit(0)
        os.close(w)
        pipes.append(r)
    doze(until, late)
    for r in pipes:
        stalls.append(eval(os.read(r, 100)))
        os.wait()
    show("longest stall of each process", [(whole, whole) for whole, _ in stalls])
    show("late from a sleep, in a process", [(whole, whole) for whole, _ in late])


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    processes(threads, seconds)
    dropper = Dropper(0.002)
    run(threads, seconds, dropper)
    show("from the drop to the death", dropper.times)
    collector = Collector(0.02)
    run(threads, seconds, collector)
    show("gc.collect()", collector.times)
    doze_among(threads, seconds)


main()
