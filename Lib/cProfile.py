"""Deterministic profiling of Python programs, done by the native module _lsprof.

The interface is that of the module profile.
"""

import _lsprof
import importlib.machinery
import importlib.util
import io
import profile as _profile

__all__ = ["run", "runctx", "Profile"]


def run(statement, filename=None, sort=-1):
    return _profile._Utils(Profile).run(statement, filename, sort)


def runctx(statement, globals, locals, filename=None, sort=-1):
    return _profile._Utils(Profile).runctx(statement, globals, locals, filename, sort)


run.__doc__ = _profile.run.__doc__
runctx.__doc__ = _profile.runctx.__doc__


class Profile(_lsprof.Profiler):
    """Profile(timer=None, timeunit=None, subcalls=True, builtins=True)

    A profiler. Without a timer it measures real time; a timer that gives
    integers needs a timeunit, the length of one in seconds.
    """

    def print_stats(self, sort=-1):
        import pstats

        keys = sort if isinstance(sort, tuple) else (sort,)
        pstats.Stats(self).strip_dirs().sort_stats(*keys).print_stats()

    def dump_stats(self, file):
        import marshal

        with open(file, "wb") as out:
            self.create_stats()
            marshal.dump(self.stats, out)

    def create_stats(self):
        self.disable()
        self.snapshot_stats()

    def snapshot_stats(self):
        """Lays the statistics down in self.stats, in the form that pstats reads."""
        rows = self.getstats()
        callers = {id(row.code): {} for row in rows}
        self.stats = {
            label(row.code): (*_numbers(row), callers[id(row.code)]) for row in rows
        }
        for row in rows:
            here = label(row.code)
            for call in row.calls or ():
                into = callers.get(id(call.code))
                if into is None:
                    continue
                # Here the calls that did not come from themselves are the second number.
                primitive, calls, *times = _numbers(call)
                numbers = (calls, primitive, *times)
                if here in into:
                    numbers = tuple(map(sum, zip(numbers, into[here])))
                into[here] = numbers

    def run(self, cmd):
        import __main__

        names = __main__.__dict__
        return self.runctx(cmd, names, names)

    def runctx(self, cmd, globals, locals):
        self.enable()
        try:
            exec(cmd, globals, locals)
        finally:
            self.disable()
        return self

    def runcall(self, func, /, *args, **kw):
        self.enable()
        try:
            return func(*args, **kw)
        finally:
            self.disable()

    def __enter__(self):
        self.enable()
        return self

    def __exit__(self, *exc_info):
        self.disable()


def _numbers(row):
    """Calls that did not come from themselves, all calls, time without and with what was called."""
    return (
        row.callcount - row.reccallcount,
        row.callcount,
        row.inlinetime,
        row.totaltime,
    )


def label(code):
    """File, line and name of what was called."""
    if isinstance(code, str):
        return ("~", 0, code)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def main():
    import os
    import pstats
    import runpy
    import sys
    from optparse import OptionParser

    usage = "cProfile.py [-o output_file_path] [-s sort] [-m module | scriptfile] [arg] ..."
    parser = OptionParser(usage=usage)
    parser.allow_interspersed_args = False
    parser.add_option("-o", "--outfile", dest="outfile", default=None,
                      help="Save stats to <outfile>")
    parser.add_option("-s", "--sort", dest="sort", default=-1,
                      choices=sorted(pstats.Stats.sort_arg_dict_default),
                      help="Sort order when printing to stdout, based on pstats.Stats class")
    parser.add_option("-m", dest="module", action="store_true", default=False,
                      help="Profile a library module")
    if not sys.argv[1:]:
        parser.print_usage()
        sys.exit(2)
    options, args = parser.parse_args()
    sys.argv[:] = args
    # A script may go elsewhere before it ends.
    if options.outfile is not None:
        options.outfile = os.path.abspath(options.outfile)
    if not args:
        parser.print_usage()
        return parser
    if options.module:
        code = "run_module(modname, run_name='__main__')"
        names = {"run_module": runpy.run_module, "modname": args[0]}
    else:
        script = args[0]
        sys.path.insert(0, os.path.dirname(script))
        with io.open_code(script) as source:
            code = compile(source.read(), script, "exec")
        spec = importlib.machinery.ModuleSpec(name="__main__", loader=None, origin=script)
        module = importlib.util.module_from_spec(spec)
        # What is profiled imports itself as __main__, and pickles what is in there.
        sys.modules["__main__"] = module
        names = module.__dict__
        names.update({
            # As in a script that is run by itself.
            "__spec__": None,
            "__file__": spec.origin,
            "__name__": spec.name,
            "__package__": None,
            "__cached__": None,
        })
    try:
        runctx(code, names, None, options.outfile, options.sort)
    except BrokenPipeError as exc:
        # Nobody reads what is printed, and nothing more can be.
        sys.stdout = None
        sys.exit(exc.errno)
    return parser


if __name__ == "__main__":
    main()
