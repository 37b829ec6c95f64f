"""One dict, each thread with keys of its own: inserts, updates and deletes, while others walk it."""
import threading

from _common import THREADS, check, done, join, same, scaled, spawn, together

ROUNDS = scaled(300)


def own_keys(number, table):
    for r in range(ROUNDS):
        for i in range(200):
            table[number, i] = r
            table["%d-%d" % (number, i)] = [r, i]
        for i in range(200):
            table[number, i] += 1
            same(table["%d-%d" % (number, i)], [r, i], "own key")
        for i in range(0, 200, 2):
            del table[number, i]
            check((number, i) not in table, "deleted, yet there")
            same(table.pop("%d-%d" % (number, i)), [r, i], "pop")
            same(table.get("%d-%d" % (number, i)), None, "popped, yet there")
    for i in range(200):
        same(table.get((number, i)), None if i % 2 == 0 else ROUNDS, "at the end")


def walk(number, table, stop):
    while not stop.is_set():
        for key, value in list(table.items()):
            if type(key) is tuple:
                check(type(value) is int, key, value)
            else:
                same(key.rpartition("-")[2], str(value[1]), "key and value of different entries")
        table.get((0, 1))
        check(len(table) <= 400 * THREADS, "too long")


def counters(number, table, key, steps):
    for _ in range(steps):
        table[key(number)] += 1


table = {}
stop = threading.Event()
walker = spawn(1, walk, table, stop)
together(THREADS, own_keys, table)
stop.set()
join(walker)
same(len(table), THREADS * 200, "length at the end")
same(len(list(table)), len(table), "walked length")

counts = dict.fromkeys(range(THREADS), 0)
together(THREADS, counters, counts, lambda number: number, scaled(500_000))
same(counts, dict.fromkeys(range(THREADS), scaled(500_000)), "counters")


class Holder:
    pass


def own_attributes(number, holder):
    for r in range(ROUNDS * 20):
        for name in ("a", "b", "c"):
            setattr(holder, name + str(number), r)
        same(getattr(holder, "a%d" % number), r, "own attribute")
        delattr(holder, "b%d" % number)
        check(not hasattr(holder, "b%d" % number), "deleted attribute")


holder = Holder()
together(THREADS, own_attributes, holder)
same(sorted(vars(holder)), sorted(n + str(t) for n in "ac" for t in range(THREADS)), "attributes")
done()
