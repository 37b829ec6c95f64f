"""What the parts of the mixture have in common."""


def check(held, *what):
    if not held:
        raise AssertionError(" ".join(map(repr, what)))


def same(got, wanted, what=""):
    if got != wanted:
        if type(got) is type(wanted) is list:
            # Of long lists what they do not have in common tells more.
            got, wanted = [x for x in got if x not in wanted] or got, [x for x in wanted if x not in got] or wanted
        raise AssertionError("%s: got %.300r, wanted %.300r" % (what, got, wanted))


class Part:
    """Shared things, the operations on them (OPS: methods that take a worker), and what must hold.

    `rest(worker)` is called by every thread when it has done its steps, others may still be busy; `settle()` by one,
    when all rest: it checks, makes things ready for the next round, and gives what must be the same in every run.
    """
    OPS = ()

    def __init__(self, seed, threads):
        self.threads = threads
        self.start()

    def start(self):
        pass

    def rest(self, worker):
        pass

    def settle(self):
        pass

    def close(self):
        pass


class Logs:
    """For each thread a list that only it appends to."""

    def __init__(self, threads):
        self.lists = [[] for _ in range(threads)]

    def of(self, worker):
        return self.lists[worker.number]

    def all(self):
        return [entry for log in self.lists for entry in log]

    def clear(self):
        for log in self.lists:
            log.clear()
