"""Databases in the hands of several threads: one connection, one cursor, one file; and a connection that is closed under their hands."""
import gc
import os
import sqlite3
import tempfile
import threading

from _common import THREADS, check, done, join, same, scaled, spawn, together


class Sum:
    def __init__(self):
        self.n = 0

    def step(self, x):
        self.n += len(x)

    def finalize(self):
        return self.n


def connection(path=":memory:"):
    cx = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    cx.create_function("twice", 1, lambda text: text + text)
    cx.create_aggregate("lengths", 1, Sum)
    cx.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    return cx


def one_connection():
    """Rows of all threads arrive whole, and each once."""
    cx = connection()
    cx.execute("create table t(thread int, number int, text text)")
    shared = cx.cursor()
    n = scaled(300)

    def body(number):
        for i in range(n):
            text = "%d-%d" % (number, i)
            cx.execute("insert into t values (?, ?, ?)", (number, i, text))
            match i % 5:
                case 0:
                    row = cx.execute("select twice(text) from t where thread=? and number=?", (number, i)).fetchone()
                    same(row, (text * 2,), "a function's result")
                case 1:
                    rows = cx.execute("select number from t where thread=? order by text collate backwards", (number,))
                    same(len(rows.fetchall()), i + 1, "rows")
                case 2:
                    total = cx.execute("select lengths(text), total(length(text)) from t where thread=?", (number,)).fetchone()
                    same(total[0], int(total[1]), "an aggregate's result")
                case 3:
                    try:
                        shared.execute("select ?, ?", (number, number))
                        row = shared.fetchone()
                        check(row is None or row[0] == row[1], "half of a row", row)
                    except sqlite3.ProgrammingError:
                        pass
                case 4:
                    cx.executemany("insert into t values (-1, ?, ?)", ((k, text) for k in range(3)))

    together(THREADS, body)
    for number in range(THREADS):
        same(cx.execute("select count(*), count(distinct number) from t where thread=?", (number,)).fetchone(), (n, n), "rows")
    same(cx.execute("select count(*) from t where thread=-1").fetchone(), (n // 5 * 3 * THREADS,), "rows of executemany")
    cx.close()


def use(cx, i):
    match i % 8:
        case 0:
            cx.execute("insert into t values (?)", (b"%d" % i,))
        case 1:
            for row in cx.execute("select b from t"):
                check(isinstance(row[0], bytes), row)
        case 2:
            with cx.blobopen("t", "b", 1) as blob:
                blob[0] = blob.read()[0]
        case 3:
            cx.interrupt()
        case 4:
            cx.set_trace_callback(None if i & 8 else str)
        case 5:
            cx.create_function("f%d" % (i % 16), 0, lambda: i)
            cx.execute("select f%d()" % (i % 16)).fetchall()
        case 6:
            check(cx.serialize()[:6] in (b"SQLite", b""), "bytes of a database")
        case 7:
            cx.set_progress_handler(None if i & 8 else len, 1)


def closings():
    """A connection is closed, or left to the collector, while others use it: they hear of it, and nothing else."""
    place, end = [connection()], threading.Event()

    def body(number):
        i = number
        while not end.is_set():
            i += 1
            cx = place[0]
            try:
                use(cx, i)
            except sqlite3.Error:
                pass

    def closer(number):
        for i in range(scaled(150)):
            cx = connection()
            cx.execute("create table t(b blob)")
            cx.execute("insert into t values (zeroblob(10))")
            old, place[0] = place[0], cx
            while True:
                try:
                    old.close()
                    break
                except sqlite3.ProgrammingError:
                    pass
            if i % 50 == 0:
                gc.collect()
        end.set()

    users = spawn(max(THREADS - 1, 1), body)
    join(spawn(1, closer))
    join(users)
    place[0].close()


def one_file():
    """Connections of several threads to one file: no transaction is lost."""
    n = scaled(40)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file.db")
        first = connection(path)
        first.execute("pragma synchronous=off")
        first.execute("create table counter(n int)")
        first.execute("insert into counter values (0)")

        def body(number):
            cx = connection(path)
            cx.execute("pragma synchronous=off")
            for _ in range(n):
                cx.execute("begin immediate")
                value, = cx.execute("select n from counter").fetchone()
                cx.execute("update counter set n=?", (value + 1,))
                cx.execute("commit")
            cx.close()

        together(THREADS, body)
        same(first.execute("select n from counter").fetchone(), (n * THREADS,), "the counter")
        first.close()


one_connection()
closings()
one_file()
done()
