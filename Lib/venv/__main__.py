"""`weft -m venv`: the scripts that an environment gets come from inside the program."""

import os
import sys
from importlib.resources import as_file, files

import venv


class Builder(venv.EnvBuilder):
    def setup_scripts(self, context):
        with as_file(files(venv) / "scripts") as path:
            self.install_scripts(context, os.fspath(path))


venv.EnvBuilder = Builder
try:
    venv.main()
except Exception as e:
    print("Error:", e, file=sys.stderr)
    sys.exit(1)
