"""Locks, conditions, queues, thread pools and threads that come and go."""
import concurrent.futures
import contextvars
import queue
import threading

from parts import Logs, Part, check, same


class Locks(Part):
    """What a lock guards is exact, and never seen half done."""
    OPS = ("guarded", "nested", "timed", "semaphore", "condition", "event", "local")

    def start(self):
        self.lock = threading.Lock()
        self.inner = threading.RLock()
        self.pair = [0, 0]
        self.adds = [0] * self.threads
        self.gate = threading.Semaphore(2)
        self.inside = 0
        self.most = 0
        self.state = threading.Lock()
        self.full = threading.Condition()
        self.stock = 0
        self.flag = threading.Event()
        self.own = threading.local()

    def change(self, worker):
        same(self.pair[0], self.pair[1], "half done")
        self.pair[0] += 1
        self.pair[1] += 1
        self.adds[worker.number] += 1

    def guarded(self, worker):
        with self.lock:
            self.change(worker)
            check(self.lock.locked(), "not locked")

    def nested(self, worker):
        with self.inner, self.inner, self.lock, self.inner:
            self.change(worker)
        try:
            with self.lock:
                raise KeyError
        except KeyError:
            pass

    def timed(self, worker):
        if self.lock.acquire(timeout=0.0005):
            try:
                same(self.pair[0], self.pair[1], "half done")
            finally:
                self.lock.release()
        if self.lock.acquire(blocking=False):
            self.lock.release()

    def semaphore(self, worker):
        with self.gate:
            with self.state:
                self.inside += 1
                check(self.inside <= 2, "too many inside")
            with self.state:
                self.inside -= 1

    def condition(self, worker):
        # Whoever puts may take: nobody waits for ever.
        with self.full:
            self.stock += 1
            self.full.notify()
        with self.full:
            check(self.full.wait_for(lambda: self.stock > 0, timeout=60), "never notified")
            self.stock -= 1

    def event(self, worker):
        if worker.random.random() < 0.5:
            self.flag.set()
        else:
            self.flag.clear()
        self.flag.wait(0.0002)

    def local(self, worker):
        count = getattr(self.own, "count", 0)
        self.own.count = count + 1
        self.own.number = worker.number
        same(self.own.number, worker.number, "thread-local")

    def settle(self):
        same(self.pair, [sum(self.adds)] * 2, "guarded")
        same((self.inside, self.stock), (0, 0), "at rest")
        check(not self.lock.locked(), "locked at rest")
        return self.pair


class Queues(Part):
    """What goes in comes out once."""
    OPS = ("put", "put", "take", "take", "bounded", "order")

    def start(self):
        self.kinds = [queue.Queue(), queue.SimpleQueue(), queue.LifoQueue(), queue.PriorityQueue()]
        self.small = queue.Queue(2)
        self.given = Logs(self.threads)
        self.taken = Logs(self.threads)
        self.seen = [{} for _ in range(self.threads)]

    def put(self, worker):
        entry = (worker.number, len(self.given.of(worker)))
        self.given.of(worker).append(entry)
        worker.random.choice(self.kinds).put(entry)

    def take(self, worker):
        kind = worker.random.randrange(4)
        try:
            number, n = self.kinds[kind].get_nowait()
        except queue.Empty:
            return
        if kind < 2:
            seen = self.seen[worker.number]
            check(seen.get((kind, number), -1) < n, "out of order", kind, number, n)
            seen[kind, number] = n
        self.taken.of(worker).append((number, n))

    def bounded(self, worker):
        self.small.put(worker.number)
        check(0 <= self.small.get() < self.threads, "bounded")
        self.small.task_done()

    def order(self, worker):
        mine = queue.SimpleQueue()
        for n in range(5):
            mine.put([n])
        same([mine.get() for _ in range(5)], [[0], [1], [2], [3], [4]], "order")

    def settle(self):
        given = sorted(self.given.all())
        taken = self.taken.all()
        for kind in self.kinds:
            while not kind.empty():
                taken.append(kind.get())
        same(sorted(taken), given, "queues")
        self.small.join()
        check(self.small.empty(), "bounded at rest")
        self.given.clear()
        self.taken.clear()
        for seen in self.seen:
            seen.clear()
        return given


VARIABLE = contextvars.ContextVar("VARIABLE", default=0)


class Threads(Part):
    """Threads come and go, and what they made stays."""
    OPS = ("child", "pool", "timer", "context", "orphans", "names")

    def start(self):
        self.pool_ = concurrent.futures.ThreadPoolExecutor(4)
        self.results = Logs(self.threads)
        self.left = Logs(self.threads)

    def child(self, worker):
        made = []
        thread = threading.Thread(target=lambda: made.extend([worker.number] * 50))
        thread.start()
        thread.join()
        check(not thread.is_alive(), "joined, yet alive")
        same(made, [worker.number] * 50, "what a thread made")
        self.results.of(worker).append(len(made))

    def pool(self, worker):
        n = worker.random.randrange(50)
        futures = [self.pool_.submit(lambda n=n: [i * i for i in range(n)]) for _ in range(3)]
        for future in futures:
            same(future.result(60), [i * i for i in range(n)], "a future")
        failing = self.pool_.submit(lambda: 1 // 0)
        check(type(failing.exception(60)) is ZeroDivisionError, "no exception")
        self.results.of(worker).append(n)

    def timer(self, worker):
        fired = threading.Event()
        threading.Timer(0.0005, fired.set).start()
        check(fired.wait(60), "the timer did not fire")

    def context(self, worker):
        token = VARIABLE.set(worker.number + 1)
        context = contextvars.copy_context()
        VARIABLE.reset(token)
        same(VARIABLE.get(), 0, "after reset")
        same(context.run(VARIABLE.get), worker.number + 1, "in the context")
        same(self.pool_.submit(context.copy().run, VARIABLE.get).result(60), worker.number + 1, "elsewhere")

    def orphans(self, worker):
        """What a thread makes and leaves behind outlives it."""
        log = self.left.of(worker)

        def work():
            log.append({"by": worker.number, "cycle": log, "text": "x" * 20})

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def names(self, worker):
        check(threading.current_thread() in threading.enumerate(), "not among the threads")
        check(threading.active_count() >= self.threads, "too few threads")

    def settle(self):
        left = self.left.all()
        for entry in left:
            check(entry["cycle"][0]["text"] == "x" * 20, "orphan")
        result = [list(log) for log in self.results.lists], len(left)
        self.results.clear()
        self.left.clear()
        return result

    def close(self):
        self.pool_.shutdown()


PARTS = [Locks, Queues, Threads]
