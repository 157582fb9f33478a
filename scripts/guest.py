# SPDX-License-Identifier: GPL-2.0
"""What demo/run, bench/run and rocm/run share: build programs, boot machines, show numbers."""

import json
import math
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
DEMO_SOURCES = os.path.join(TOP, "demo")
SELFTESTS = os.path.join(TOP, "tools/testing/selftests/kfd_gpreempt")
PACKAGES = ("gcc", "libc6-dev", "make", "rsync", "qemu-system-x86", "busybox-static",
            "gnuplot-nox")

# Ends the script in the guest: the status so far, or 1 if the mock saw an invariant broken
VERDICT = """
for f in /sys/kernel/debug/kfd_mock*/violations; do
	read -r n <$f
	[ "$n" = 0 ] || { echo "violations $n"; status=1; }
done
exit $status
"""

begin = time.monotonic()


def say(text):
    print("[%3d s] %s" % (time.monotonic() - begin, text), flush=True)


def die(text):
    sys.exit("%s: %s" % (os.path.relpath(sys.argv[0], TOP), text))


def need(*packages):
    """What scripts/lib.sh does for the other scripts."""
    r = subprocess.run(["sh", "-c", '. scripts/lib.sh; need "$@"', sys.argv[0], *packages],
                       cwd=TOP, check=False)
    if r.returncode:
        sys.exit(r.returncode)


def install_headers():
    subprocess.run(["make", "-s", "-C", os.path.join(BUILD, "linux"),
                    "O=" + os.path.join(BUILD, "headers.o"),
                    "INSTALL_HDR_PATH=" + os.path.join(BUILD, "headers"), "headers_install"],
                   check=True, stdout=subprocess.DEVNULL)


def compile_program(source, out):
    """A C file, with what the demo's programs and the self-tests share."""
    name = os.path.splitext(os.path.basename(source))[0]
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-pthread",
                    "-I" + SELFTESTS, "-I" + DEMO_SOURCES,
                    "-isystem", os.path.join(BUILD, "headers/include"),
                    "-o", os.path.join(out, name), source,
                    os.path.join(DEMO_SOURCES, "common.c"),
                    os.path.join(SELFTESTS, "kfd_lib.c"), "-lm"], check=True)


def boot(folder, name, modargs, script, programs, *options):
    """Run a script in a guest that has the programs in /demo; returns what it wrote to ttyS1."""
    out = os.path.join(folder, name + ".out")
    cmd = [os.path.join(TOP, "vm/run"), "--icount", "--quiet", "--timeout", "900",
           "--mod", os.path.join(BUILD, "normal/amdgpu.ko"), "--modargs", modargs,
           "--out", out, "--log", os.path.join(folder, name + ".log"), *options]
    for program in programs:
        cmd += ["--add", "%s:/demo/%s" % (os.path.join(folder, program), program)]
    r = subprocess.run(cmd + ["--", script], check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        print(r.stdout, end="")
        die("the run %s failed: see %s.log and .out" %
            (name, os.path.relpath(os.path.join(folder, name), TOP)))
    with open(out, encoding="ascii") as f:
        return f.read()


def numbers(text):
    """The lines `key number`, as lists: a key may come more than once."""
    found = {}
    for line in text.splitlines():
        key, _, number = line.rpartition(" ")
        if number.isdigit():
            found.setdefault(key, []).append(int(number))
    return found


def percentile(ordered, percent):
    """The smallest value that so many per cent of them do not exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def table(rows):
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print((r[0].ljust(width[0]) +
               "".join("  " + c.rjust(w) for c, w in zip(r[1:], width[1:]))).rstrip())


def write_json(path, what):
    with open(path, "w", encoding="ascii") as f:
        json.dump(what, f, indent=1)
        f.write("\n")


def plot(script, folder):
    subprocess.run(["gnuplot", os.path.join(TOP, script)], cwd=folder, check=True)
