"""A heap that is large enough for all cores to collect it together, and that shrinks again: nothing alive is lost, no garbage stays."""

import gc
import threading
import weakref

from _common import THREADS, check, done, same, scaled

NODES = scaled(200_000)
ROUNDS = 4


class Node:
    def __init__(self, number):
        self.number = number
        self.ring = [self]
        self.names = {"self": self, "number": number}


class Finalized(Node):
    ran = 0

    def __del__(self):
        with LOCK:
            Finalized.ran += 1


LOCK = threading.Lock()
KEPT = {}


def make(which, count):
    """Nodes in cycles; half of them are kept, and each refers to one of another thread's."""
    mine = KEPT.setdefault(which, [])
    other = KEPT.get(which - 1) or mine
    for number in range(count):
        node = Node(number)
        if number % 2:
            if other:
                node.friend = other[number // 2 % len(other)]
            mine.append(node)


def look():
    for nodes in list(KEPT.values()):
        for i, node in enumerate(nodes):
            same(node.number, 2 * i + 1)
            check(node.ring[0] is node and node.names["self"] is node, "not its own")
            same(node.names["number"], node.number)


def run(threads, function, *args):
    all = [threading.Thread(target=function, args=(i, *args)) for i in range(threads)]
    for t in all:
        t.start()
    return all


def main():
    threads = THREADS
    for _ in range(ROUNDS):
        KEPT.clear()
        workers = run(threads, make, NODES // threads)
        while any(t.is_alive() for t in workers):
            gc.collect()
        for t in workers:
            t.join()
        gc.collect()
        look()
    dead = [Finalized(i) for i in range(1000)]
    refs = [weakref.ref(n) for n in dead]
    KEPT[-1] = dead
    check(all(r() is n for r, n in zip(refs, dead)), "weak references")
    del dead
    del KEPT[-1]
    for _ in range(4):
        gc.collect()
    same(Finalized.ran, 1000)
    check(not any(r() for r in refs), "a dead object is found")
    KEPT.clear()
    for _ in range(3):
        gc.collect()
    left = sum(isinstance(o, Node) for o in gc.get_objects())
    same(left, 0, "nodes left")


main()
done("divided work")
