# SPDX-License-Identifier: GPL-2.0
"""What the steps of scripts/check share: count results, say what goes on, run a command."""

import os
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
LINUX = os.path.join(BUILD, "linux")
LOGS = os.path.join(BUILD, "logs")

start = time.monotonic()
lock = threading.Lock()


class Count:
    passed = failed = skipped = 0


def report(ok, name, note=""):
    with lock:
        if ok is None:
            Count.skipped += 1
        elif ok:
            Count.passed += 1
        else:
            Count.failed += 1
        if not ok:
            word = "SKIP" if ok is None else "FAIL"
            print("   %s %s%s" % (word, name, ": " + note if note else ""), flush=True)


def say(text):
    with lock:
        print("[%4d s] %s" % (time.monotonic() - start, text), flush=True)


def log_of(name):
    return os.path.join(LOGS, name.replace("/", "_").replace(" ", "_") + ".log")


def sh(name, *cmd, show=12, **kw):
    """Run a command as one test; its output goes to a log."""
    log = log_of(name)
    with open(log, "w") as f:
        r = subprocess.run(cmd, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           check=False, **kw)
    report(r.returncode == 0, name, "see %s" % os.path.relpath(log, TOP))
    if r.returncode:
        with open(log, errors="replace") as f:
            sys.stdout.writelines("     " + l for l in f.readlines()[-show:])
    return r.returncode == 0
