"""concurrent.futures: map, submit, callbacks, exceptions, cancellation, and pools inside pools."""
import concurrent.futures
import threading

from _common import THREADS, check, done, same, scaled

JOBS = max(100, scaled(12_000))


def square_sum(n):
    return sum(i * i for i in range(n % 100))


def fail(n):
    if n % 7 == 3:
        raise KeyError(n)
    return {"n": n, "half": n / 2}


wanted = [square_sum(n) for n in range(JOBS)]
with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
    for _ in range(3):
        same(list(pool.map(square_sum, range(JOBS))), wanted, "map")

    futures = {pool.submit(fail, n): n for n in range(JOBS)}
    failed = 0
    for future in concurrent.futures.as_completed(futures):
        n = futures[future]
        if n % 7 == 3:
            check(isinstance(future.exception(), KeyError) and future.exception().args == (n,), "exception", n)
            failed += 1
        else:
            same(future.result(), {"n": n, "half": n / 2}, "result")
    same(failed, len(range(3, JOBS, 7)), "failures")

    lock, seen = threading.Lock(), []

    def note(future):
        with lock:
            seen.append(future.result())

    futures = [pool.submit(square_sum, n) for n in range(JOBS)]
    for future in futures:
        future.add_done_callback(note)
    ready, pending = concurrent.futures.wait(futures)
    same((len(ready), len(pending)), (JOBS, 0), "wait")
same(sorted(seen), sorted(wanted), "callbacks")

with concurrent.futures.ThreadPoolExecutor(1) as pool:
    gate = threading.Event()
    first = pool.submit(gate.wait)
    second = pool.submit(square_sum, 5)
    check(second.cancel() and second.cancelled(), "cancel")
    gate.set()
    check(first.result(10), "first")


def inner(n):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return sum(pool.map(square_sum, range(n)))


with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
    for n, got in zip(range(40), pool.map(inner, range(40))):
        same(got, sum(wanted[:n]), "nested pools")

begun = []
with concurrent.futures.ThreadPoolExecutor(THREADS, initializer=begun.append, initargs=(1,)) as pool:
    same(list(pool.map(str, range(100))), [str(n) for n in range(100)], "strings")
check(1 <= len(begun) <= THREADS, "initializers", len(begun))
done("divided work")
