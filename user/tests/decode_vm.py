#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""gpreempt decode on what the driver itself prints of queues on the mock GPU. TAP on stdout.

Needs build/normal and build/headers (scripts/check "build normal" "build selftests").
"""

import json
import os
import subprocess
import sys
import tempfile

import decode
from decode import HERE, TOP, test

BUILD = os.path.join(TOP, "build")
SELFTESTS = os.path.join(TOP, "tools/testing/selftests/kfd_gpreempt")


def dump(tmp, modargs):
    """Boot, run decode_queues, and return what it expects and what debugfs said."""
    out = os.path.join(tmp, "out")
    r = subprocess.run([os.path.join(TOP, "vm/run"), "--quiet", "--icount", "--out", out,
                        "--mod", os.path.join(BUILD, "normal/amdgpu.ko"), "--modargs", modargs,
                        "--add", os.path.join(tmp, "decode_queues") + ":/t/decode_queues", "--",
                        "/t/decode_queues >/dev/ttyS1"],
                       stdin=subprocess.DEVNULL, check=False)
    with open(out, encoding="ascii") as f:
        text = f.read().replace("\r", "").split("\n")
    expect = [json.loads(l[7:]) for l in text if l.startswith("expect ")]
    ended = r.returncode == 0 and "end" in text
    return ended, expect, "\n".join(l for l in text if not l.startswith("expect ") and l != "end")


def check(d, mode, ended, expect, text):
    test("%s: the machine" % mode, ended and len(expect) == 4)
    got = d.json(text)
    test("%s: every line is understood" % mode, not got["strange_lines"], got["strange_lines"])
    queues = {q["ring"]: q for q in got["queues"]}
    for e in expect:
        q = queues.get(e["ring"], {})
        xccs = q.get("xccs", [])
        areas = [x["save_area"] - e["save_area"] for x in xccs]
        wrong = {k: (v, q.get(k)) for k, v in e.items()
                 if k not in ("xccs", "save_area") and q.get(k) != v}
        test("%s: a queue that is %s" % (mode, e["state"]), not wrong and
             areas == [e["save_area_bytes"] * i for i in range(e["xccs"])], (wrong, areas))
        running = e["state"] == "running"
        hqds = [h for h in got["hqds"] if h["running"] and h["type"] == "cp" and
                h["ring"] == e["ring"]]
        test("%s: its HQDs" % mode, len(hqds) == (e["xccs"] if running else 0) and
             ["hqd" in x for x in xccs] == [running] * e["xccs"], hqds)
        if e["state"] == "preempted":
            test("%s: its waves are saved" % mode,
                 all(x["saved_wave_bytes"] and x["saved_control_stack_bytes"] for x in xccs), xccs)
            test("%s: its ring" % mode, q.get("pending_packets") == 0 and
                 q.get("rptr_dwords") == 16, q)
    test("%s: nothing else" % mode, len(queues) == 4 and len(got["queues"]) == 4, queues.keys())


def main():
    with tempfile.TemporaryDirectory(prefix="decode.") as tmp:
        d = decode.Decoder(tmp)
        program = os.path.join(tmp, "decode_queues")
        r = subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-Wall", "-Wextra",
                            "-isystem", os.path.join(BUILD, "headers/include"), "-I" + SELFTESTS,
                            "-static", "-pthread", "-o", program,
                            os.path.join(HERE, "decode_queues.c"),
                            os.path.join(SELFTESTS, "kfd_lib.c")], check=False)
        if r.returncode:
            sys.exit("decode_vm.py: the guest's program does not build")
        for mode, modargs in ("hws", ""), ("no-hws", "sched_policy=2"):
            check(d, mode, *dump(tmp, modargs))
    print("1..%d" % decode.Count.all)
    sys.exit(1 if decode.Count.failed else 0)


if __name__ == "__main__":
    main()
