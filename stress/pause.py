"""How long gc.collect() takes over many live objects that threads share.

    weft stress/pause.py [MILLIONS]
    python3.14 stress/pause.py [MILLIONS]

Prints the shortest and the median pause in milliseconds. A second thread has been started before anything is made, and everything
hangs off a list of the module, so in Weft all of it is shared.
"""

import gc
import sys
import threading
import time


class Node:
    def __init__(self, left, number):
        self.left = left
        self.number = number


def fill(heap, count):
    """Instances, lists, tuples and dicts in equal parts, each of which refers to the one before."""
    last = None
    for number in range(count // 4):
        node = Node(last, number)
        items = [node, number]
        pair = (items, node)
        last = {"pair": pair}
        heap.append(last)


def main():
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    gc.disable()
    heap = []
    globals()["HEAP"] = heap
    thread = threading.Thread(target=fill, args=(heap, int(millions * 1e6)))
    thread.start()
    thread.join()
    gc.collect()
    pauses = []
    for _ in range(7):
        begin = time.perf_counter()
        gc.collect()
        pauses.append((time.perf_counter() - begin) * 1e3)
    pauses.sort()
    print(f"min {pauses[0]:.0f} ms, median {pauses[len(pauses) // 2]:.0f} ms")


main()
