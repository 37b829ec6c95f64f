"""The configuration variables that sysconfig asks for: there is no Makefile to read them from."""

import sys

_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_MULTIARCH = sys.implementation._multiarch
_TAG = f"{sys.implementation.cache_tag}{sys.abiflags}"

build_time_vars = {
    "ABIFLAGS": sys.abiflags,
    "BINDIR": f"{sys.base_exec_prefix}/bin",
    "BINLIBDEST": sys._stdlib_dir,
    "EXE": "",
    "EXT_SUFFIX": f".{_TAG}-{_MULTIARCH}.so",
    "LIBDEST": sys._stdlib_dir,
    "LIBDIR": f"{sys.base_exec_prefix}/lib",
    "MACHDEP": sys.platform,
    "MULTIARCH": _MULTIARCH,
    "Py_DEBUG": 0,
    "Py_ENABLE_SHARED": 0,
    "Py_GIL_DISABLED": int("t" in sys.abiflags),
    "SHLIB_SUFFIX": ".so",
    "SOABI": f"{_TAG}-{_MULTIARCH}",
    "TZPATH": "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo",
    "VERSION": _VERSION,
    "WITH_PYMALLOC": 0,
    "exec_prefix": sys.base_exec_prefix,
    "prefix": sys.base_prefix,
}
