"""Resources of packages in the embedded library, for importlib.resources."""

import contextlib
import io
import pathlib
import tempfile
from importlib.resources import as_file
from importlib.resources.abc import Traversable, TraversableResources


class EmbeddedPath(Traversable):
    """A file or directory inside the program."""

    def __init__(self, importer, path):
        self._importer = importer
        self._path = path

    def __repr__(self):
        return f"{type(self).__name__}({self._path!r})"

    @property
    def name(self):
        return self._path.rpartition("/")[2]

    def _child(self, name):
        return EmbeddedPath(self._importer, f"{self._path}/{name}")

    def iterdir(self):
        names = self._importer._listdir(self._path)
        if names is None:
            raise NotADirectoryError(self._path)
        for name in names:
            yield self._child(name)

    def is_dir(self):
        return self._importer._listdir(self._path) is not None

    def is_file(self):
        if self.is_dir():
            return False
        try:
            self._importer.get_data(self._path)
        except OSError:
            return False
        return True

    def joinpath(self, *parts):
        here = self
        for part in "/".join(str(p) for p in parts).split("/"):
            if part and part != ".":
                here = here._child(part)
        return here

    __truediv__ = joinpath

    def open(self, mode="r", encoding=None, errors=None):
        data = io.BytesIO(self._importer.get_data(self._path))
        if "b" in mode:
            return data
        return io.TextIOWrapper(data, encoding=encoding, errors=errors)

    def read_bytes(self):
        return self._importer.get_data(self._path)

    def read_text(self, encoding=None):
        return self.read_bytes().decode(encoding or "utf-8")


class EmbeddedReader(TraversableResources):
    """What get_resource_reader() of a package gives."""

    def __init__(self, importer, path):
        self._root = EmbeddedPath(importer, path)

    def files(self):
        return self._root


@as_file.register
@contextlib.contextmanager
def _(path: EmbeddedPath):
    # Under its own name, which some look at: pip's wheel, which venv installs.
    with tempfile.TemporaryDirectory() as folder:
        yield copy_to(path, pathlib.Path(folder, path.name))


def copy_to(path, to):
    if path.is_dir():
        to.mkdir()
        for part in path.iterdir():
            copy_to(part, to / part.name)
    else:
        to.write_bytes(path.read_bytes())
    return to
