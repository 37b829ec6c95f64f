"""What the programs beside this file share: ways to check, and `run`, which runs their cases.

A case is a function named `case_*`. Each runs in the main thread cold and warm, then in several threads at once: by then
what the main thread has made is shared. A case marked `alone` changes something of the process and runs in the main thread
only. What is claimed holds for CPython 3.14 as well.
"""
import gc
import os
import sys
import threading
import traceback

THREADS = 3


def check(held, what="it does not hold"):
    if not held:
        raise AssertionError(what)


def same(got, wanted):
    if type(got) is not type(wanted) or got != wanted:
        raise AssertionError("got %.300r, wanted %.300r" % (got, wanted))


def raises(kind, body, *args):
    """Calls `body`, which has to raise just that; gives the exception."""
    try:
        got = body(*args)
    except kind as e:
        same(type(e), kind)
        return e
    raise AssertionError("%s was not raised, got %.300r" % (kind.__name__, got))


def says(text, kind, body, *args):
    same(str(raises(kind, body, *args)), text)


def names(frame, most=99):
    """The functions of a frame and its callers, innermost first, up to the case that is running."""
    got = []
    while frame is not None and len(got) < most:
        got.append(frame.f_code.co_name)
        if got[-1].startswith("case_"):
            break
        frame = frame.f_back
    return got


def alone(case):
    case.alone = True
    return case


def together(*bodies):
    """Runs each in a thread of its own; what one of them raises is raised."""
    failed = []

    def guard(body):
        gate.wait()
        try:
            body()
        except BaseException as e:
            failed.append(e)

    gate = threading.Barrier(len(bodies))
    threads = [threading.Thread(target=guard, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def race(write, *reads):
    """`write` once, and each of `reads` again and again until it is done."""
    over = []

    def writer():
        try:
            write()
        finally:
            over.append(True)

    def reader(read):
        while True:
            last = bool(over)
            read()
            if last:
                return

    together(writer, *(lambda read=read: reader(read) for read in reads))


def run(namespace):
    cases = [(name, case) for name, case in namespace.items() if name.startswith("case_")]
    check(cases, "no cases")

    def one(name, case, where):
        try:
            case()
        except BaseException:
            sys.stdout.flush()
            sys.stderr.write("FAILED: %s, %s\n%s" % (name, where, traceback.format_exc()))
            sys.stderr.flush()
            os._exit(1)  # the other threads may wait for this one

    for where in ("cold", "warm", "warmer"):
        for name, case in cases:
            one(name, case, where)
            gc.collect()
    beside = [(name, case) for name, case in cases if not hasattr(case, "alone")]
    for name, case in beside:
        gate = threading.Barrier(THREADS)

        def body(number):
            gate.wait()
            for _ in range(3):
                one(name, case, "in thread %d of %d" % (number, THREADS))

        threads = [threading.Thread(target=body, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()
        one(name, case, "after the threads")
    print("ok", len(cases))
