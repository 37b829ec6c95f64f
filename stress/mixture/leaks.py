"""Whether memory stays flat: mixture after mixture in one process, and what is left after each.

usage: INTERPRETER leaks.py SEED THREADS STEPS SECONDS [PART...]

A lap is two rounds of the mixture of the next seed, whose parts are made and closed in it: what is alive after it, with
nobody left at work, has to be what was alive after the lap before.  Looked at are the number of objects of each type that
the collector knows, the number of all objects, and the resident memory.  A number that is higher in each of the last
third of the laps than in any of the third before is a leak: single laps may leave something in a cache, but not every one
something more.  The last line is "ok", or "ok, but too few laps to tell".
"""
import gc
import sys
import time

import mixture

# Laps in each third, so that chance makes no leak.
ENOUGH = 5
# What resident memory may grow between the thirds: the allocator and the heap keep what has been in use at once at the most.
SLACK_KB, SLACK_PERCENT = 2 << 10, 4


class Census:
    """What was alive after each lap: one list of numbers for each kind of thing, so that keeping them makes nothing new."""

    def __init__(self):
        self.laps = 0
        self.counts = {}
        self.blocks = []
        self.memory = []

    def take(self):
        # Finalizers, weak references and what they let go take a collection each; the last one finds nothing.
        for _ in range(5):
            gc.collect()
        found = {}
        for thing in gc.get_objects():
            kind = type(thing)
            found[kind] = found.get(kind, 0) + 1
        for kind, count in found.items():
            name = kind.__module__ + "." + kind.__qualname__
            if name not in self.counts:
                self.counts[name] = [0] * self.laps
            numbers = self.counts[name]
            if len(numbers) > self.laps:  # another type of that name
                numbers[-1] += count
            else:
                numbers.append(count)
        self.laps += 1
        for numbers in self.counts.values():
            if len(numbers) < self.laps:
                numbers.append(0)
        del found, thing, kind
        self.blocks.append(sys.getallocatedblocks())
        self.memory.append(mixture.resident_kb())

    def leaks(self):
        """Texts about what has grown."""
        third = self.laps // 3
        grown = []

        def look(what, numbers, slack=0):
            middle, last = numbers[third:-third], numbers[-third:]
            if min(last) > max(middle) + slack:
                grown.append("%s: %d at the most in the middle, then %d to %d" % (what, max(middle), min(last), max(last)))

        for name, numbers in sorted(self.counts.items()):
            # The lists of this census come with the names of types, which come in the first laps.
            look(name, numbers)
        look("all objects", self.blocks)
        look("resident KiB", self.memory, max(SLACK_KB, max(self.memory) * SLACK_PERCENT // 100))
        return grown


def main():
    seed, threads, steps = map(int, sys.argv[1:4])
    seconds = float(sys.argv[4])
    names = sys.argv[5:] or list(mixture.PARTS)
    sys.setswitchinterval(0.0005)
    census = Census()
    # Names of attributes are interned, and those for good (docs/gaps.md): all that the parts may think of, before anything is counted.
    for number in range(threads):
        for name in "of_%d" % number, "weft_mixture_own_%d" % number, *("a%d_%d" % (number, i) for i in range(8)):
            sys.intern(name)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        mixture.Rounds(seed + census.laps, threads, 2, steps, names).run()
        census.take()
    laps, memory, blocks = census.laps, census.memory, census.blocks
    sys.stderr.write("%d laps; KiB at rest: %s; objects: %s\n" % (laps, memory[::max(1, laps // 12)], blocks[::max(1, laps // 12)]))
    if laps < 3 * ENOUGH:
        print("ok, but too few laps to tell")
        return
    grown = census.leaks()
    if grown:
        sys.exit("after %d laps of %d steps by %d threads there is more:\n%s" % (laps, 2 * steps, threads, "\n".join(grown)))
    print("ok")


if __name__ == "__main__":
    main()
