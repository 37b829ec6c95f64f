"""Exceptions raised in one thread and looked at, chained or raised again in others."""
import contextlib
import io
import queue
import sys
import threading
import traceback

from _common import THREADS, check, done, same, scaled, together

STEPS = scaled(12_000)


class Trouble(Exception):
    def __init__(self, number, i):
        super().__init__(number, i)
        self.payload = [number, i]


def deep(n, number, i):
    if n == 0:
        raise Trouble(number, i)
    try:
        deep(n - 1, number, i)
    finally:
        check(sys.exception() is not None, "no exception in finally")


def own(number):
    for i in range(STEPS):
        try:
            deep(i % 9, number, i)
        except Trouble as e:
            same(e.payload, [number, i], "payload")
            depth = 0
            tb = e.__traceback__
            while tb is not None:
                depth += 1
                tb = tb.tb_next
            same(depth, i % 9 + 2, "length of the traceback")
        else:
            check(False, "nothing was raised")
        check(sys.exception() is None, "an exception outlives its handler")


def chained(number):
    for i in range(STEPS // 4):
        try:
            try:
                {}[number, i]
            except KeyError as e:
                raise Trouble(number, i) from e
        except Trouble as e:
            check(type(e.__cause__) is KeyError and e.__cause__.args == ((number, i),), "cause")
            check(e.__context__ is e.__cause__, "context")
        try:
            raise ExceptionGroup("several", [ValueError(number), Trouble(number, i)])
        except* ValueError as group:
            same(group.exceptions[0].args, (number,), "group")
        except* Trouble as group:
            same(group.exceptions[0].payload, [number, i], "group")


def handed_on(number, boxes):
    """Each exception is raised again by the next thread, which adds a frame and a note, three times."""
    for i in range(STEPS // 20):
        try:
            deep(3, number, i)
        except Trouble as e:
            boxes[number].put((0, e))
    for _ in range(STEPS // 20 * 4):
        times, e = boxes[number].get()
        if times == 3:
            same(e.__notes__, ["again 0", "again 1", "again 2"], "notes")
            text = "".join(traceback.format_exception(e))
            check("in deep" in text and "Trouble: (%d, %d)" % tuple(e.payload) in text, text)
            continue
        try:
            raise e
        except Trouble as again:
            check(again is e, "another exception")
            again.add_note("again %d" % times)
        boxes[(number + 1) % THREADS].put((times + 1, e))


def hooks():
    caught = []
    threading.excepthook = lambda args: caught.append((args.exc_type, args.exc_value.args, args.thread.name))
    threads = [threading.Thread(target=deep, args=(2, n, 0), name="hook-%d" % n) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.excepthook = threading.__excepthook__
    same(sorted(caught, key=lambda c: c[1]), [(Trouble, (n, 0), "hook-%d" % n) for n in range(50)], "excepthook")
    text = io.StringIO()
    with contextlib.redirect_stderr(text):
        thread = threading.Thread(target=deep, args=(1, 7, 7), name="loud")
        thread.start()
        thread.join()
    check("Exception in thread loud" in text.getvalue() and "Trouble: (7, 7)" in text.getvalue(), text.getvalue())


def recursion(number):
    def endless(n):
        return endless(n + 1)
    for _ in range(3):
        try:
            endless(0)
        except RecursionError:
            continue
        check(False, "no RecursionError")


together(THREADS, own)
together(THREADS, chained)
together(THREADS, handed_on, [queue.Queue() for _ in range(THREADS)])
together(THREADS, recursion)
hooks()
done()
