"""The builtins that the module site adds, for programs that start without it."""

import builtins
import sys

from _sitebuiltins import Quitter, _Helper, _Printer


class _Text(_Printer):
    """A printer that does not look for files, and so needs no other module."""

    def __init__(self, name, data):
        self._Printer__name = name
        self._Printer__data = data
        self._Printer__lines = None
        self._Printer__filenames = []


def install():
    eof = "Ctrl-D (i.e. EOF)"
    builtins.quit = Quitter("quit", eof)
    builtins.exit = Quitter("exit", eof)
    builtins.help = _Helper()
    builtins.copyright = _Text("copyright", sys.copyright)
    builtins.credits = _Text("credits", "Weft stands on CPython's standard library and on the crates that it names.")
    builtins.license = _Text("license", "See https://www.python.org/psf/license/ for the standard library.")
