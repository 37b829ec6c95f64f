"""Object graphs that wander from thread to thread through queues, changed by each that holds them."""
import queue

from _common import THREADS, check, done, same, scaled, together

GRAPHS = 40
HOPS = scaled(2400)


class Node:
    def __init__(self, name):
        self.name = name
        self.next = None
        self.payload = {}
        self.seen = []


class Slotted:
    __slots__ = ("left", "right", "tag")

    def __init__(self, left, right, tag):
        self.left = left
        self.right = right
        self.tag = tag


class Graph:
    def __init__(self, number):
        self.number = number
        self.hops = 0
        ring = [Node("%d.%d" % (number, i)) for i in range(12)]
        for i, node in enumerate(ring):
            node.next = ring[(i + 1) % len(ring)]
            node.payload = {"self": node, "list": [i, str(i), float(i)], "set": {i}}
        self.head = ring[0]
        self.pair = Slotted(ring[0], ring[6], (number, [number]))
        self.closure = lambda: self.number

    def change(self):
        self.hops += 1
        node = self.head
        for i in range(12):
            check(node.payload["self"] is node, "payload")
            node.payload["list"].append(self.hops)
            if len(node.payload["list"]) > 20:
                del node.payload["list"][3:]
            node.seen = node.seen[-5:] + [Node("fresh")]
            node.payload["new"] = {"hop": self.hops, "from": node.next}
            node = node.next
        check(node is self.head, "the ring is open")
        self.pair.left, self.pair.right = self.pair.right, self.pair.left
        same(self.pair.tag[1], [self.number], "tag")
        same(self.closure(), self.number, "closure")


def live(number, boxes, home):
    for i in range(GRAPHS):
        boxes[number].put(Graph(number * GRAPHS + i))
    while True:
        graph = boxes[number].get()
        if graph is None:
            return
        graph.change()
        if graph.hops < HOPS // 4:
            boxes[(number + 1 + graph.hops % 3) % THREADS].put(graph)
        else:
            home.put(graph)
            if home.qsize() == GRAPHS * THREADS:
                for box in boxes:
                    box.put(None)


boxes = [queue.Queue() for _ in range(THREADS)]
home = queue.Queue()
together(THREADS, live, boxes, home)
numbers = []
while not home.empty():
    graph = home.get()
    same(graph.hops, max(1, HOPS // 4), "hops")
    numbers.append(graph.number)
same(sorted(numbers), list(range(GRAPHS * THREADS)), "graphs")
done()
