"""Forks while other threads print, lock, import and wait: the child has one thread, and can do all that a program can."""
import gc
import os
import queue
import sys
import threading
import time
import warnings

from _common import THREADS, check, done, join, same, scaled, spawn

warnings.simplefilter("ignore", DeprecationWarning)
FORKS = scaled(40)
lock = threading.Lock()
shared = queue.Queue()
null = open(os.devnull, "w")
stop = threading.Event()
hooks = []
os.register_at_fork(
    before=lambda: hooks.append("before"),
    after_in_child=lambda: hooks.append("child"),
    after_in_parent=lambda: hooks.append("parent"),
)


def busy(number):
    while not stop.is_set():
        with lock:
            shared.put([number, {}])
        print("x" * 50, file=null)
        try:
            shared.get(timeout=0.001)
        except queue.Empty:
            pass
        import xml.dom  # noqa: F401


def child():
    same(threading.active_count(), 1, "threads")
    same(hooks[-1], "child", "hook")
    print("child", file=null, flush=True)
    import email.message  # noqa: F401
    gc.collect()
    answers = queue.Queue()
    thread = threading.Thread(target=lambda: answers.put(sum(len(d) for d in [{1: 2} for _ in range(1000)])))
    thread.start()
    same(answers.get(), 1000, "answer")
    thread.join()


def fork(number):
    for i in range(FORKS):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                child()
                code = 7
            except BaseException as e:
                sys.stderr.write("child: %r\n" % e)
            os._exit(code)
        end = time.monotonic() + 60
        while True:
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                break
            check(time.monotonic() < end, "the child hangs")
            time.sleep(0.002)
        same(os.waitstatus_to_exitcode(status), 7, "exit code")


workers = spawn(THREADS, busy)
forkers = spawn(2, fork)
fork(2)
join(forkers)
stop.set()
join(workers)
check(hooks.count("parent") >= FORKS, "hooks in the parent")
done("the main thread's work")
