"""Thousands of threads, started and joined, nested, and left to end by themselves."""
import threading

from _common import THREADS, check, done, same, scaled, together

STARTS = scaled(900)
results = []


class Small:
    def __init__(self, n):
        self.n = n
        self.me = self


def short_life(n):
    keep = [Small(i) for i in range(20)]
    results.append((n, sum(s.n for s in keep), keep[n % 20]))


def churn(number):
    for i in range(STARTS):
        thread = threading.Thread(target=short_life, args=(i,), name="t-%d-%d" % (number, i))
        thread.start()
        thread.join()
        check(not thread.is_alive(), "joined, yet alive")


together(THREADS, churn)
same(len(results), THREADS * STARTS, "threads that ran")
check(all(total == 190 and kept.me is kept and kept.n == n % 20 for n, total, kept in results), "results")
results.clear()

# many alive at once
release = threading.Event()
crowd = [threading.Thread(target=lambda: (release.wait(), results.append(1))) for _ in range(100)]
for thread in crowd:
    thread.start()
check(threading.active_count() >= 100, "active_count")
same(len({thread.ident for thread in crowd}), 100, "idents")
release.set()
for thread in crowd:
    thread.join()
same(len(results), 100, "crowd")
results.clear()


# threads that start threads
def tree(depth):
    if depth:
        children = [threading.Thread(target=tree, args=(depth - 1,)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    results.append(depth)


for _ in range(scaled(12)):
    results.clear()
    tree(6)
    same(len(results), 2 ** 7 - 1, "tree")

# daemons that nobody joins; the last are still running when the program ends
stop = threading.Event()
for i in range(50):
    threading.Thread(target=stop.wait, args=(0.01 * i,), daemon=True).start()


def forever():
    n = 0
    while True:
        n += 1
        [n, str(n), {n: n}]


threading.Thread(target=forever, daemon=True).start()
same(threading.current_thread(), threading.main_thread(), "main thread")
done()
