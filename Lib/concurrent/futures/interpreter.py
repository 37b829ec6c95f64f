"""InterpreterPoolExecutor, which takes subinterpreters: there are none here."""

from .thread import BrokenThreadPool, ThreadPoolExecutor


class BrokenInterpreterPool(BrokenThreadPool):
    """Raised when a worker of an InterpreterPoolExecutor could not be initialized."""


class InterpreterPoolExecutor(ThreadPoolExecutor):
    """Cannot be made. Threads run in parallel here, so a ThreadPoolExecutor does what most programs want it for."""

    def __init__(self, max_workers=None, thread_name_prefix="", initializer=None, initargs=()):
        raise NotImplementedError("there are no subinterpreters; use ThreadPoolExecutor, whose threads run in parallel")
