#!/usr/bin/env python3
"""Checks that the CPython test modules listed in ratchet.txt still pass whole on Weft.

usage: tests/ratchet.py                    check every module of the list
       tests/ratchet.py --add NAME|FILE... run these too, and add those that pass whole to the list

Both run CPython beside Weft with conformance.py: a test counts if it passes on CPython. A module passes whole
if all of those pass or are skipped on Weft and its run ends by itself. Exits with 1 when a listed module does not.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LIST = os.path.join(HERE, "ratchet.txt")


def modules_in(path):
    with open(path) as f:
        names = [line.split("#")[0].strip() for line in f]
    return [name for name in names if name]


def lacking(result):
    """What keeps a module from passing whole, in words, or None."""
    reference, weft = result["cp314"], result["weft"]
    wanted = [test for test, what in reference["tests"].items() if what == "pass"]
    if not wanted:
        return "no test of it passes on CPython itself"
    failed = [test for test in wanted if weft["tests"].get(test) not in ("pass", "skip")]
    if not weft["ended"] or weft["exit"] not in (0, reference["exit"]):
        return "ended with %s after %d tests; %s" % (weft["exit"], len(weft["tests"]), weft["last"])
    if failed:
        return "%d of %d tests fail: %s%s" % (len(failed), len(wanted), ", ".join(failed[:5]), ", ..." if len(failed) > 5 else "")
    return None


def install_tests(args):
    """Some tests start an isolated interpreter that imports `test`: it has to lie beside the library's files, as on CPython."""
    program = "import os; print(os.path.dirname(os.__file__))"
    library = subprocess.run([args.weft, "-I", "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    link = os.path.join(library, "test")
    if os.path.isdir(library) and not os.path.lexists(link):
        os.symlink(os.path.abspath(os.path.join(args.peers, "cpython-tests", "test")), link)


def run(modules, args):
    with tempfile.TemporaryDirectory() as folder:
        return run_in(folder, modules, args)


def run_in(folder, modules, args):
    """Each interpreter gets a folder of its own for temporary files: some tests use fixed names there."""
    def command_of(name, program):
        os.mkdir(own := os.path.join(folder, name))
        return "%s=%s" % (name, shlex.join(["/usr/bin/env", "TMPDIR=" + own, os.path.abspath(program)]))

    out = os.path.join(args.peers, "ratchet.json")
    if os.path.exists(out):
        os.remove(out)  # results are merged into it
    command = [sys.executable, args.conformance, os.path.join(args.peers, "cpython-tests"), out,
               command_of("cp314", os.path.join(args.peers, "python3.14")), command_of("weft", args.weft),
               "--modules", ",".join(modules), "--timeout", str(args.timeout), "--jobs", str(args.jobs)]
    subprocess.run(command, check=True)
    with open(out) as f:
        return json.load(f)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--add", nargs="+", default=[], metavar="NAME|FILE", help="modules, or files that list some")
    parser.add_argument("--conformance", default=os.path.join(ROOT, "../shared/measure/conformance.py"))
    parser.add_argument("--peers", default=os.path.join(ROOT, "target/peers"), help="what get-peers brought")
    parser.add_argument("--weft", default=os.path.join(ROOT, "target/release/weft"))
    parser.add_argument("--timeout", type=float, default=180, help="seconds per module")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="runs beside each other; some tests compare times, which others disturb: for them, 1")
    args = parser.parse_args()
    for needed in (args.conformance, os.path.join(args.peers, "python3.14"), args.weft):
        if not os.path.exists(needed):
            parser.error(needed + " is not there")

    listed = modules_in(LIST)
    new = []
    for name in args.add:
        new += modules_in(name) if os.path.exists(name) else [name]
    new = sorted(set(new) - set(listed))
    if not listed and not new:
        print("ratchet: the list is empty, nothing to check")
        return 0
    install_tests(args)
    results = run(listed + new, args)
    lost = [(name, why) for name in listed if (why := lacking(results[name]))]
    gained = [name for name in new if not lacking(results[name])]
    if gained:
        with open(LIST) as f:
            head = [line for line in f if line.startswith("#")]
        with open(LIST, "w") as f:
            f.writelines(head + [name + "\n" for name in sorted(listed + gained)])
        print("ratchet: added " + " ".join(gained))
    for name, why in lost:
        print("ratchet: LOST %s: %s" % (name, why))
    print("ratchet: %d of %d listed modules pass whole, %d of %d others" % (
        len(listed) - len(lost), len(listed), len(gained), len(new)))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
