"""Does a second thread help?  CPU-bound work of several kinds, on 1 thread and on N.

usage: INTERPRETER stress/demo.py [--threads N] [--quick] [--only name,name]

Every kind of work is a list of pieces that the threads take from one queue. The pieces are the same
for any number of threads, and so must the answers be. It uses nothing but the standard library, so
that any Python can run it. Exits with 1 when an answer is wrong.
"""
import argparse
import os
import queue
import sys
import threading
import time


class Work:
    """One kind of work: `pieces(size)` lists the arguments for `piece`, `total` puts answers together."""

    def __init__(self, name, what, piece, pieces, total):
        self.name = name
        self.what = what
        self.piece = piece
        self.pieces = pieces
        self.total = total


# --- floats: rows of the Mandelbrot set -----------------------------------------------------------
def mandelbrot_row(arg):
    row, width, limit = arg
    y = row * 2.0 / width - 1.0
    inside = 0
    for column in range(width):
        x = column * 3.0 / width - 2.0
        zr = zi = 0.0
        for _ in range(limit):
            zr2 = zr * zr
            zi2 = zi * zi
            if zr2 + zi2 > 4.0:
                break
            zi = 2.0 * zr * zi + y
            zr = zr2 - zi2 + x
        else:
            inside += 1
    return inside


def mandelbrot_rows(size):
    width = 600 if size else 260
    return [(row, width, 160) for row in range(width)]


# --- small ints: primes by trial division ---------------------------------------------------------
def count_primes(arg):
    first, last = arg
    found = 0
    for n in range(first | 1, last, 2):
        d = 3
        while d * d <= n:
            if n % d == 0:
                break
            d += 2
        else:
            found += 1
    return found


def prime_ranges(size):
    step = 2000
    return [(first, first + step) for first in range(3, 900_000 if size else 300_000, step)]


# --- strings and dicts: words of made-up text -----------------------------------------------------
SYLLABLES = "ba be bi bo bu da de di do du la le li lo lu ma me mi mo mu".split()


def made_up_text(seed, words):
    out = []
    for _ in range(words):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        word = SYLLABLES[(seed >> 8) % 20] + SYLLABLES[(seed >> 14) % 20]
        if seed & 0x400000:
            word = word.title() + ","
        out.append(word)
    return " ".join(out)


def count_words(arg):
    seed, words = arg
    counts = {}
    for word in made_up_text(seed, words).split():
        word = word.strip(",.").lower()
        counts[word] = counts.get(word, 0) + 1
    return counts


def word_seeds(size):
    return [(seed * 7919, 9000) for seed in range(380 if size else 80)]


def add_counts(answers):
    total = {}
    for counts in answers:
        for word, n in counts.items():
            total[word] = total.get(word, 0) + n
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


# --- calls: queens on a board ---------------------------------------------------------------------
def place_queens(n, row, columns, rising, falling):
    if row == n:
        return 1
    found = 0
    for column in range(n):
        here, up, down = 1 << column, 1 << row + column, 1 << row - column + n
        if not (columns & here or rising & up or falling & down):
            found += place_queens(n, row + 1, columns | here, rising | up, falling | down)
    return found


def queens_from(arg):
    n, a, b = arg
    if a == b or abs(a - b) == 1:
        return 0
    return place_queens(n, 2, 1 << a | 1 << b, 1 << a | 1 << 1 + b, 1 << n - a | 1 << 1 - b + n)


def queens_starts(size):
    n = 12 if size else 11
    return [(n, a, b) for a in range(n) for b in range(n)]


# --- objects and generators: trees, built, walked and dropped -------------------------------------
class Node:
    def __init__(self, key, left, right):
        self.key = key
        self.left = left
        self.right = right

    def __iter__(self):
        if self.left is not None:
            yield from self.left
        yield self.key
        if self.right is not None:
            yield from self.right


def build_tree(low, high):
    if low >= high:
        return None
    middle = (low + high) // 2
    return Node(middle, build_tree(low, middle), build_tree(middle + 1, high))


def tree_sum(arg):
    return sum(key * (i & 7) for i, key in enumerate(build_tree(arg, arg + 4000)))


def tree_starts(size):
    return list(range(800 if size else 160))


# --- a table that all threads read: walks over one road map ---------------------------------------
class Town:
    def __init__(self, name):
        self.name = name
        self.roads = []
        self.people = len(name) * 100

    def next(self, choice):
        return self.roads[choice % len(self.roads)]


def make_map(towns):
    table = {"town-%d" % i: Town("town-%d" % i) for i in range(towns)}
    for i in range(towns):
        table["town-%d" % i].roads = ["town-%d" % ((i * k + 7) % towns) for k in (3, 5, 11, 17)]
    return table


MAP = make_map(500)


def walk_map(arg):
    start, steps = arg
    name = "town-%d" % start
    met = 0
    for step in range(steps):
        town = MAP[name]
        met += town.people
        name = town.next(step)
    return name, met


def map_walks(size):
    return [(start, 60_000) for start in range(300 if size else 60)]


# --- sets of tuples: the game of life, one board per piece ----------------------------------------
def life_step(cells):
    near = {}
    for x, y in cells:
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    key = (x + dx, y + dy)
                    near[key] = near.get(key, 0) + 1
    return {cell for cell, n in near.items() if n == 3 or n == 2 and cell in cells}


def life_board(arg):
    seed, steps = arg
    cells = set()
    for i in range(300):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        cells.add(((seed >> 8) % 30, (seed >> 16) % 30))
    for _ in range(steps):
        cells = life_step(cells)
    return sorted(cells)


def life_boards(size):
    return [(seed * 104729 + 1, 22) for seed in range(250 if size else 50)]


# --- list walks and arithmetic: rows of the spectral norm's matrix times one shared vector ---------
VECTOR = [1.0 / (1 + i % 7) for i in range(400)]


def matrix_row(row):
    total = 0.0
    for column, v in enumerate(VECTOR):
        s = row + column
        total += v / (s * (s + 1) // 2 + row + 1)
    return total


def matrix_rows(rows):
    return [matrix_row(row) for row in range(*rows)]


def row_ranges(size):
    return [(first, first + 100) for first in range(0, 40_000 if size else 8_000, 100)]


KINDS = [
    Work("mandelbrot", "float arithmetic", mandelbrot_row, mandelbrot_rows, sum),
    Work("primes", "int arithmetic", count_primes, prime_ranges, sum),
    Work("words", "strings and dicts", count_words, word_seeds, add_counts),
    Work("queens", "recursive calls", queens_from, queens_starts, sum),
    Work("trees", "objects and generators", tree_sum, tree_starts, list),
    Work("road map", "one shared table", walk_map, map_walks, list),
    Work("life", "sets of tuples", life_board, life_boards, list),
    Work("spectral", "one shared vector", matrix_rows, row_ranges, list),
]


class Progress:
    """A bar that moves on a terminal, a row of dots elsewhere."""

    def __init__(self, label, pieces):
        self.label = label
        self.pieces = pieces
        self.shown = 0
        self.live = sys.stdout.isatty()
        if not self.live:
            sys.stdout.write(label + " ")

    def show(self, done):
        tenths = done * 20 // self.pieces
        if tenths > self.shown:
            if self.live:
                sys.stdout.write("\r%s %s%s" % (self.label, "#" * tenths, "." * (20 - tenths)))
            else:
                sys.stdout.write("." * (tenths - self.shown))
            sys.stdout.flush()
            self.shown = tenths

    def finish(self, seconds):
        sys.stdout.write(" %6.2f s\n" % seconds)
        sys.stdout.flush()


def worker(piece, todo, done):
    while True:
        try:
            i, arg = todo.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((i, piece(arg), None))
        except BaseException as e:
            done.put((i, None, e))
            return


def run(work, pieces, threads):
    """The seconds that `threads` threads need for all the pieces, and the answer."""
    todo, done = queue.SimpleQueue(), queue.SimpleQueue()
    for i, arg in enumerate(pieces):
        todo.put((i, arg))
    crew = [threading.Thread(target=worker, args=(work.piece, todo, done)) for _ in range(threads)]
    label = "  %-12s %-24s %3d thread%s" % (work.name, work.what, threads, " " if threads == 1 else "s")
    progress = Progress(label, len(pieces))
    answers = [None] * len(pieces)
    start = time.perf_counter()
    for thread in crew:
        thread.start()
    for n in range(len(pieces)):
        i, answer, error = done.get()
        if error is not None:
            raise error
        answers[i] = answer
        progress.show(n + 1)
    for thread in crew:
        thread.join()
    seconds = time.perf_counter() - start
    progress.finish(seconds)
    return seconds, work.total(answers)


def verdict(speedups, threads, cores, wrong):
    if wrong:
        return "WRONG: answers differ between 1 and %d threads in %s." % (threads, ", ".join(wrong))
    mean = 1.0
    for s in speedups:
        mean *= s
    mean **= 1.0 / len(speedups)
    text = "%d threads on %d core%s did the same work %.2f times as fast as 1 thread" % (
        threads, cores, "" if cores == 1 else "s", mean)
    ideal = min(threads, cores)
    if ideal == 1:
        return text + ": there is only one core or one thread to work with."
    if mean < 1.15:
        return text + ": more threads gained nothing here."
    return text + " (%d would be perfect), and got the same answers." % ideal


def main():
    cores = (getattr(os, "process_cpu_count", None) or os.cpu_count)() or 1
    parser = argparse.ArgumentParser(description="CPU-bound work on 1 thread and on N threads.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="N (default: the number of cores)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    parser.add_argument("--only", help="names of the kinds of work to do, with commas between")
    args = parser.parse_args()
    kinds = KINDS
    if args.only:
        names = args.only.split(",")
        kinds = [work for work in KINDS if work.name in names]
        if len(kinds) != len(names):
            parser.error("--only knows: " + ",".join(work.name for work in KINDS))
    if args.threads < 1:
        parser.error("--threads must be at least 1")
    n = args.threads

    print("%s %s on %d core%s: the same work on 1 thread, then on %d" % (
        sys.implementation.name, sys.version.split()[0], cores, "" if cores == 1 else "s", n), flush=True)
    rows = []
    for work in kinds:
        pieces = work.pieces(not args.quick)
        alone, answer = run(work, pieces, 1)
        together, other = run(work, pieces, n)
        rows.append((work, alone, together, answer == other))

    print("\n%-12s %-24s %10s %11s %9s  %s" % ("work", "", "1 thread", "%d threads" % n, "speed-up", "answers"))
    for work, alone, together, same in rows:
        print("%-12s %-24s %8.2f s %9.2f s %8.2fx  %s" % (
            work.name, work.what, alone, together, alone / together, "equal" if same else "DIFFERENT"))
    alone, together = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print("%-12s %-24s %8.2f s %9.2f s %8.2fx" % ("all", "", alone, together, alone / together))
    wrong = [work.name for work, _, _, same in rows if not same]
    print("\n" + verdict([row[1] / row[2] for row in rows], n, cores, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
