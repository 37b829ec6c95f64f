"""What is seen of other threads while they run: what they handle, and who called whom."""
import sys
import threading
from _checks import check, names, run, same


def case_what_other_threads_handle():
    handles, go = threading.Event(), threading.Event()

    def case_inner():
        try:
            raise ValueError("oops")
        except ValueError:
            handles.set()
            go.wait()

    def outer():
        case_inner()

    t = threading.Thread(target=outer)
    t.start()
    handles.wait()
    e = sys._current_exceptions()[t.ident]
    frame = e.__traceback__.tb_frame
    same(repr(e), "ValueError('oops')")
    same(frame.f_code.co_name, "case_inner")
    same(names(frame.f_back)[:2], ["outer", "run"])
    go.set()
    t.join()
    check(sys._current_exceptions()[threading.get_ident()] is None)


run(globals())
