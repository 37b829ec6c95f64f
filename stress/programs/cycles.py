"""Cycles built, shared and dropped by many threads while each calls gc.collect()."""
import gc
import queue
import threading
import weakref

from _common import THREADS, check, done, join, same, scaled, spawn, together

ROUNDS = scaled(300)


class Node:
    alive = 0

    def __init__(self, name):
        self.name = name
        self.links = []


class Loud(Node):
    def __del__(self):
        gone.append(self.name)
        check(all(link.name[0] == self.name[0] for link in self.links), "a finalizer saw another's object")


gone = []


def ring(cls, number, r, n):
    nodes = [cls((number, r, i)) for i in range(n)]
    for i, node in enumerate(nodes):
        node.links.append(nodes[i - 1])
        node.links.append(nodes[i * 7 % n])
    return nodes[0]


def own_cycles(number, refs):
    for r in range(ROUNDS):
        kept = ring(Node, number, r, 50)
        for _ in range(10):
            ring(Node, number, r, 30)
        refs.append(weakref.ref(ring(Loud, number, r, 5)))
        if r % 10 == number % 10:
            gc.collect()
        node, steps = kept, 0
        while True:
            node = node.links[0]
            steps += 1
            if node is kept:
                break
            same(node.name[:2], (number, r), "a live ring")
        same(steps, 50, "ring")


def shared_cycles(number, boxes):
    """Rings made here, linked to a ring of the neighbour's, and dropped there."""
    mine = None
    for r in range(ROUNDS * 4):
        fresh = ring(Node, number, r, 10)
        fresh.links.append(mine)
        boxes[(number + 1) % THREADS].put(fresh)
        got = boxes[number].get()
        same(got.name[0], (number - 1) % THREADS, "neighbour")
        got.links.append(fresh)
        fresh.links.append(got)
        mine = got if r % 5 else None
        if r % 50 == 0:
            gc.collect(r // 50 % 3)


def collect(number, stop):
    while not stop.is_set():
        gc.collect()
        stop.wait(0.005)


refs = []
stop = threading.Event()
collector = spawn(1, collect, stop)
together(THREADS, own_cycles, refs)
together(THREADS, shared_cycles, [queue.Queue() for _ in range(THREADS)])
stop.set()
join(collector)
for _ in range(3):
    gc.collect()
same(sum(ref() is not None for ref in refs), 0, "rings still alive")
every = sorted((n, r, i) for n in range(THREADS) for r in range(ROUNDS) for i in range(5))
same(sorted(gone), every, "each finalized once")
same([o for o in gc.get_objects() if isinstance(o, Node)], [], "nodes left")


# a finalizer that brings its object back, once
back = []


class Phoenix:
    def __init__(self, number):
        self.number = number
        self.me = self

    def __del__(self):
        back.append(self)


def rise(number):
    for _ in range(scaled(250)):
        Phoenix(number)
    gc.collect()


together(THREADS, rise)
gc.collect()
gc.collect()
same(sorted(p.number for p in back), sorted(n for n in range(THREADS) for _ in range(scaled(250))), "resurrected")
check(all(p.me is p for p in back), "a resurrected object is whole")
del back[:]
gc.collect()
same(back, [], "finalized twice")
done()
