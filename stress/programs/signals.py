"""Signals for the main thread, and interrupts that must reach the program, while other threads come and go."""
import _thread
import os
import signal
import threading
import time

from _common import THREADS, check, done, join, same, scaled, spawn

ROUNDS = scaled(40)
seen = []
signal.signal(signal.SIGUSR1, lambda *a: seen.append(a[0]))
signal.signal(signal.SIGALRM, lambda *a: seen.append(a[0]))
# Who starts this in the background of a shell has interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Thing:
    pass


def come_and_go(number):
    for _ in range(ROUNDS):
        things = [Thing() for _ in range(20)]
        thread = threading.Thread(target=things.clear)
        thread.start()
        os.kill(os.getpid(), signal.SIGUSR1)
        thread.join()
        time.sleep(0.0005)


signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
join(spawn(THREADS, come_and_go))
signal.setitimer(signal.ITIMER_REAL, 0)
check(seen.count(signal.SIGUSR1) > 0 and seen.count(signal.SIGALRM) > 0, "no signals came")

# an interrupt must not be lost in the callbacks of what has died with the thread that sent it
caught = 0
for _ in range(ROUNDS):
    # Not before the thread has been started: an interrupt in the middle of that leaves its condition unlocked, in CPython as well.
    gate = _thread.allocate_lock()
    gate.acquire()

    def interrupt(gate):
        gate.acquire()
        time.sleep(0.002)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, args=(gate,)).start()
    try:
        gate.release()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pass
    except KeyboardInterrupt:
        caught += 1
same(caught, ROUNDS, "interrupts")
done("the main thread's work")
