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


def case_tracing_begins_here_as_it_ends_there():
    def called():
        pass

    def trace_calls(lost):
        for _ in range(300):
            seen = []

            def trace(frame, event, arg):
                if frame.f_code is called.__code__:
                    seen.append(event)
                return trace

            sys.settrace(trace)
            called()
            sys.settrace(None)
            if seen != ["call", "line", "return"]:
                lost.append(seen)

    lost = []
    threads = [threading.Thread(target=trace_calls, args=(lost,)) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(lost, [])


run(globals())
