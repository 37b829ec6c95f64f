"""Threads doing a random mixture of operations on things that they share, with all that must hold checked.

usage: INTERPRETER mixture.py SEED THREADS ROUNDS STEPS [PART...]

What each thread does follows from SEED; how the threads meet does not.  In a round every thread does STEPS operations;
then all come to rest, and what must be exact is compared.  After the rounds the program prints a digest of all that
does not depend on how the threads met: it is the same for the same arguments on every interpreter.  The last line is
"ok"; a failure says what did not hold, and ends the program with 1.  PART: only these parts (see PARTS).
"""
import gc
import hashlib
import os
import random
import sys
import threading
import time
import traceback

import containers
import objects
import outside
import waiting

PARTS = {part.__name__: part for module in (containers, objects, waiting, outside) for part in module.PARTS}

# Rounds after which memory should not grow, and how much it may all the same: some is kept for good (docs/gaps.md).
WARM_UP = 4
SLACK_KB = 24 << 10


class Worker:
    """What a thread has for itself."""

    def __init__(self, seed, number, count):
        self.number = number
        self.count = count
        self.random = random.Random("%s/%d" % (seed, number))
        self.trace = []


def resident_kb():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:
        return 0


def fail(worker, round_number):
    sys.stdout.flush()
    sys.stderr.write("failed in round %d, thread %d, after %s\n%s" % (
        round_number, worker.number, worker.trace[-6:], traceback.format_exc()))
    sys.stderr.flush()
    os._exit(1)


class Rounds:
    """The threads' common life: steps, rest, check, again."""

    def __init__(self, seed, threads, rounds, steps, names):
        self.workers = [Worker(seed, i, threads) for i in range(threads)]
        self.rounds = rounds
        self.steps = steps
        self.parts = [PARTS[name](seed, threads) for name in names]
        self.ops = [(part, name) for part in self.parts for name in part.OPS]
        self.gate = threading.Barrier(threads)
        self.digest = hashlib.sha256()
        self.memory = []

    def live(self, worker):
        for number in range(self.rounds):
            try:
                self.gate.wait()
                for _ in range(self.steps):
                    part, name = worker.random.choice(self.ops)
                    worker.trace[:-5] = []
                    worker.trace.append(name)
                    getattr(part, name)(worker)
                for part in self.parts:
                    worker.trace.append("rest of " + type(part).__name__)
                    part.rest(worker)
                if self.gate.wait() == 0:
                    self.compare(number)
                self.gate.wait()
            except BaseException:
                fail(worker, number)

    def compare(self, number):
        """All rest but this thread."""
        for part in self.parts:
            result = part.settle()
            self.digest.update(repr((type(part).__name__, number, result)).encode())
        gc.collect()
        self.memory.append(resident_kb())

    def run(self):
        threads = [threading.Thread(target=self.live, args=(worker,)) for worker in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for part in self.parts:
            part.close()
        warm, end = self.memory[:WARM_UP], self.memory[WARM_UP:]
        if end and min(end[-2:]) > max(warm) * 1.3 + SLACK_KB:
            sys.exit("memory grows: %s KiB" % self.memory)


def main():
    seed, threads, rounds, steps = sys.argv[1], *map(int, sys.argv[2:5])
    names = sys.argv[5:] or list(PARTS)
    sys.setswitchinterval(0.0005)
    start = time.monotonic()
    all_rounds = Rounds(seed, threads, rounds, steps, names)
    all_rounds.run()
    sys.stderr.write("%.1f s, %s KiB at rest\n" % (time.monotonic() - start, all_rounds.memory))
    print("digest", all_rounds.digest.hexdigest())
    print("ok")


if __name__ == "__main__":
    main()
