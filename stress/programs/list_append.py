"""Appends, pops and inserts on shared lists, deques and sets: nothing lost, nothing made up."""
import collections
import threading

from _common import THREADS, check, done, join, same, scaled, spawn, together

ITEMS = scaled(1200) * 100


def append(number, shared):
    for i in range(ITEMS):
        shared.append((number, i))


def extend(number, shared):
    for i in range(0, ITEMS, 100):
        shared.extend([(number, j) for j in range(i, i + 100)])


def pop(number, shared, got):
    mine = got[number]
    while True:
        try:
            mine.append(shared.pop())
        except IndexError:
            return


def read(number, shared, stop):
    while not stop.is_set():
        n = len(shared)
        if n:
            check(len(shared[n - 1]) == 2 and len(shared[-1]) == 2, "torn entry")
        for item in shared[-200:]:
            check(0 <= item[1] < ITEMS, "made up", item)


def wanted(items):
    return [(number, i) for number in range(THREADS) for i in range(items)]


for fill in (append, extend):
    shared = []
    stop = threading.Event()
    reader = spawn(1, read, shared, stop)
    together(THREADS, fill, shared)
    stop.set()
    join(reader)
    same(sorted(shared), wanted(ITEMS), fill.__name__)
    last = [None] * THREADS
    for number, i in shared:
        check(last[number] is None or last[number] < i, "order of one thread's items")
        last[number] = i
    before = sorted(shared)
    got = [[] for _ in range(THREADS)]
    together(THREADS, pop, shared, got)
    same(shared, [], "popped empty")
    same(sorted(item for part in got for item in part), before, "pop")

shared = collections.deque()
together(THREADS, append, shared)
same(sorted(shared), wanted(ITEMS), "deque")


def add(number, shared):
    for i in range(ITEMS // 4):
        shared.add((number, i))
        shared.add(i)
        if i % 3 == 0:
            shared.discard((number, i))


shared = set()
together(THREADS, add, shared)
same(shared, {(n, i) for n, i in wanted(ITEMS // 4) if i % 3} | set(range(ITEMS // 4)), "set")


def assign(number, shared):
    for i in range(ITEMS):
        shared[number] = [number, i]
        check(shared[number] == [number, i], "own slot")
        other = shared[i % THREADS]
        check(other is None or other[0] == i % THREADS, "other slot")


shared = [None] * THREADS
together(THREADS, assign, shared)
done()
