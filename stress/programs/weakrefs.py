"""Weak references, finalizers and __del__ for objects made in one thread and dropped in another."""
import gc
import queue
import threading
import weakref

from _common import THREADS, check, done, join, same, scaled, spawn, together

ITEMS = scaled(24_000)
made = [0] * THREADS
died = []
called = []
finalized = []


class Thing:
    def __init__(self, owner, number):
        self.owner = owner
        self.number = number
        made[owner] += 1

    def __del__(self):
        died.append((self.owner, self.number))


def make(number, q, refs):
    for i in range(ITEMS):
        thing = Thing(number, i)
        refs[number].append(weakref.ref(thing, called.append))
        if i % 10 == 0:
            weakref.finalize(thing, finalized.append, (number, i))
        q.put(thing)
        del thing


def drop(number, q, refs, stop):
    while not (stop.is_set() and q.empty()):
        try:
            thing = q.get(timeout=0.02)
        except queue.Empty:
            continue
        ref = refs[thing.owner][thing.number]
        check(ref() is thing, "a live object's weak reference is dead")
        same(thing.number, ref().number, "number")
        del thing


def upgrade(number, refs, stop):
    while not stop.is_set():
        for part in refs:
            for ref in part[-50:]:
                thing = ref()
                if thing is not None:
                    check(thing.number >= 0 and thing.owner < THREADS, "a dead object was handed out")
                    del thing


q = queue.Queue()
refs = [[] for _ in range(THREADS)]
stop = threading.Event()
droppers = spawn(2, drop, q, refs, stop)
upgraders = spawn(1, upgrade, refs, stop)
together(THREADS, make, q, refs)
stop.set()
join(droppers)
join(upgraders)
for _ in range(3):
    gc.collect()
every = sorted((n, i) for n in range(THREADS) for i in range(ITEMS))
same(made, [ITEMS] * THREADS, "made")
same(sorted(died), every, "each dies once")
same(len(called), len(every), "each callback once")
check(all(ref() is None for part in refs for ref in part), "a dead object's weak reference is alive")
same(sorted(finalized), [(n, i) for n, i in every if i % 10 == 0], "finalizers")

# one table of weak values for all: an entry lives exactly as long as its object
table = weakref.WeakValueDictionary()


class Plain:
    def __init__(self, key):
        self.key = key


def weak_table(number):
    mine = []
    for i in range(ITEMS // 2):
        key = (number, i)
        thing = Plain(key)
        table[key] = thing
        mine.append(thing)
        check(table[key] is thing, "lost while alive")
        if len(mine) > 20:
            gone = mine.pop(0).key
            other = table.get(gone)
            check(other is None or other.key == gone, "wrong value")
            del other
    del thing
    mine.clear()


together(THREADS, weak_table)
for _ in range(3):
    gc.collect()
same(len(table), 0, "weak values left")
done()
