"""Locks, re-entrant locks, conditions, semaphores, barriers, events and timers."""
import threading
import time

from _common import THREADS, check, done, join, same, scaled, spawn, together

STEPS = scaled(60_000)


class Account:
    def __init__(self, lock):
        self.lock = lock
        self.balance = 0


def with_lock(number, account):
    for _ in range(STEPS):
        with account.lock:
            before = account.balance
            account.balance = before + 1


def with_rlock(number, account):
    for _ in range(STEPS // 4):
        with account.lock:
            with account.lock:
                before = account.balance
                account.balance = before + 1


for lock, body, steps in ((threading.Lock(), with_lock, STEPS), (threading.RLock(), with_rlock, STEPS // 4)):
    account = Account(lock)
    together(THREADS, body, account)
    same(account.balance, THREADS * steps, body.__name__)
    check(lock.acquire(blocking=False), "still locked")
    lock.release()


def try_lock(number, lock, got):
    for _ in range(200):
        if lock.acquire(timeout=0.001):
            got.append(number)
            lock.release()


got = []
lock = threading.Lock()
together(THREADS, try_lock, lock, got)
check(got, "nobody got the lock")

# turns: a condition passes a token round
turn = [0]
condition = threading.Condition()


def take_turns(number, rounds):
    for _ in range(rounds):
        with condition:
            condition.wait_for(lambda: turn[0] % THREADS == number)
            turn[0] += 1
            condition.notify_all()


together(THREADS, take_turns, scaled(1200))
same(turn[0], THREADS * scaled(1200), "turns")

# semaphores: never more inside than allowed
inside, most = [0], [0]
guard = threading.Lock()
semaphore = threading.BoundedSemaphore(2)


def enter(number):
    for _ in range(STEPS // 20):
        with semaphore:
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with guard:
                inside[0] -= 1


together(THREADS, enter)
check(1 <= most[0] <= 2, "inside at once:", most[0])
try:
    semaphore.release()
except ValueError:
    pass
else:
    check(False, "released too often")

# barriers: nobody is a round ahead
rounds = [0] * THREADS
barrier = threading.Barrier(THREADS)


def in_step(number):
    for r in range(scaled(1200)):
        rounds[number] = r
        barrier.wait()
        same(rounds, [r] * THREADS, "barrier")
        barrier.wait()


together(THREADS, in_step)

# an aborted barrier lets everyone go
broken = []
barrier = threading.Barrier(THREADS + 1)


def wait_in_vain(number):
    try:
        barrier.wait()
    except threading.BrokenBarrierError:
        broken.append(number)


threads = spawn(THREADS, wait_in_vain)
time.sleep(0.02)
barrier.abort()
join(threads)
same(sorted(broken), list(range(THREADS)), "abort")

# events: set and cleared many times
ping, pong = threading.Event(), threading.Event()


def play(number, rounds):
    mine, other = (ping, pong) if number == 0 else (pong, ping)
    for _ in range(rounds):
        check(mine.wait(30), "an event was lost")
        mine.clear()
        other.set()


ping.set()
together(2, play, scaled(6000))
check(not threading.Event().wait(0.01), "an event set by nobody")

# a timer fires, a cancelled one does not
fired = []
timers = [threading.Timer(0.01, fired.append, [i]) for i in range(10)]
for timer in timers:
    timer.start()
timers[3].cancel()
for timer in timers:
    timer.join()
check(len(fired) >= 9 and len(set(fired)) == len(fired), "timers", fired)
done()
