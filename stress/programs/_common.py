"""What the stress programs share.  usage of each: INTERPRETER PROGRAM.py [THREADS [SCALE]]

THREADS (default 4) is how many threads work at once; SCALE (default 1) multiplies the amount of work.
A program exits with 0 and its last line "ok" when all it checks held, otherwise with 1.  Each thread does the same
work however many there are, unless the last line says something else (see `done`).
"""
import os
import sys
import threading
import traceback

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 4
SCALE = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0


def scaled(n):
    return max(1, int(n * SCALE))


def check(held, *what):
    if not held:
        raise AssertionError(" ".join(map(str, what)))


def same(got, wanted, what=""):
    if got != wanted:
        raise AssertionError("%s: got %.200r, wanted %.200r" % (what, got, wanted))


def spawn(count, body, *args):
    """Starts `count` threads of `body(number, *args)` that begin at once; returns them.

    When one of them fails, the program ends there and then: the others may wait for it for ever.
    """
    gate = threading.Barrier(count)

    def run(number):
        try:
            gate.wait()
            body(number, *args)
        except BaseException:
            sys.stdout.flush()
            sys.stderr.write("%s failed in thread %d of %d\n%s" % (
                getattr(body, "__name__", body), number, count, traceback.format_exc()))
            sys.stderr.flush()
            os._exit(1)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join()
        check(not thread.is_alive(), "joined, yet alive")


def together(count, body, *args):
    """Runs `count` threads of `body(number, *args)` to their end."""
    join(spawn(count, body, *args))


def done(work=""):
    """`work`, for comparisons: "divided work" for programs whose threads share what one alone would do, "the main
    thread's work" for those whose threads are in the main thread's way."""
    print("ok, " + work if work else "ok")
