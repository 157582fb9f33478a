#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""gpreempt decode: made-up dumps, real ones where they are, and broken ones.

Builds the command by itself, with sanitizers. TAP on stdout. The real dumps are looked
for in $SHARED/data/mi308x, by default beside the repository; the kernel's headers in build/linux.
"""

import glob
import json
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
USER = os.path.dirname(HERE)
TOP = os.path.dirname(USER)
SHARED = os.environ.get("SHARED", os.path.join(os.path.dirname(TOP), "shared"))
AMD = os.path.join(TOP, "build/linux/drivers/gpu/drm/amd/include")
# Mutations of each input; FUZZ=N for more
FUZZ = int(os.environ.get("FUZZ", "150"))

CC = [os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror"]

ACTIVE, VMID, PRIORITY, RING, RING_HIGH, RPTR = 0x208, 0x20c, 0x218, 0x220, 0x224, 0x228
PQ_CONTROL, SAVE, STACK_AT, STACK, WAVES_AT, AREA = 0x244, 0x2ac, 0x2b8, 0x2bc, 0x2c0, 0x2c4
AQL, WPTR, STRIDE, BASE = 0x2d4, 0x2d8, 0x388, 0x200

class Count:
    all = failed = 0


def test(name, ok, note=""):
    Count.all += 1
    Count.failed += not ok
    print("%sok %d %s%s" % ("" if ok else "not ", Count.all, name, "" if ok else "  # %s" % (note,)),
          flush=True)


def skip(name, why):
    Count.all += 1
    print("ok %d %s # SKIP %s" % (Count.all, name, why), flush=True)


def lines(words, first=0):
    """Eight words a line, as seq_hex_dump() prints them."""
    return "".join("    %08x: %s\n" % (first + 4 * i, " ".join("%08x" % w for w in words[i:i + 8]))
                   for i in range(0, len(words), 8))


def mqd(xcc, base, **changed):
    w = [0] * 512
    words = {0: 0xc0310800, BASE: base + 0x4000 * xcc, PRIORITY: 9, RING: 0x12345600, RING_HIGH: 0x7,
             PQ_CONTROL: 0x509 | 0x4000, SAVE: 0x40000000 + 0x500000 * xcc, STACK_AT: 0x3000,
             STACK: 0x3000, WAVES_AT: 0x3000, AREA: 0x500000, AQL: 1, STRIDE: 0x4000}
    words.update({int(k[1:], 16): v for k, v in changed.items()})
    for offset, value in words.items():
        w[offset // 4] = value
    return w


def hqd(inst, words, reg=0x1245):
    """The registers of an HQD: the MQD's words from 128 on."""
    return lines(words[128:184], ((inst * 0x40000 + 0x2000) + reg) * 4)


SDMA_RUNS = ((0, 19), (0x28, 6), (0x2f, 7), (0x40, 12))


def sdma_regs(words, queue):
    text = ""
    n = 0
    for distance, length in SDMA_RUNS:
        text += lines((words[n:n + length] + [0] * length)[:length],
                      (0x1260 + 0x130 + 0x58 * queue + distance) * 4)
        n += length
    return text


def sdma_mqd():
    w = [0] * 128
    w[0] = 3 << 24 | 1 << 12 | 10 << 1
    w[1] = 0xabcd00
    w[8], w[9] = 5, 0x6000
    w[22] = 0x120
    w[126], w[127] = 1, 2
    return w


def made_up():
    """Four queues of two XCCs and one for SDMA; the HQDs of the first and the last."""
    on = [mqd(x, 0x100000, _208=1, _20c=0x505) for x in range(2)]
    # 64 packets of 16 dwords in the ring; XCC 1 had nothing to save
    preempted = [mqd(0, 0x200000, _2b8=0x2f00, _2c0=0x9000, _228=0x30, _2d8=0x80),
                 mqd(1, 0x200000, _228=0x30, _2d8=0x80)]
    off = [mqd(x, 0x300000) for x in range(2)]
    nonsense = [mqd(x, 0x400000, _2b8=0x9000) for x in range(2)]
    sdma = sdma_mqd()
    mqds = "Process 4711 PASID 0x8002:\n"
    for text, queue in (("", on), (", preempted", preempted), ("", off), ("", nonsense)):
        mqds += "  Compute queue on device 1a2b%s\n" % text
        mqds += "".join(lines(w) for w in queue)
    # More than one, as stock kernels do
    mqds += "  SDMA queue on device 1a2b\n" + lines(sdma) + lines([0xdead] * 136)
    hqds = "Node 1, gpu_id 1a2b:\n"
    for inst in range(2):
        live = on[inst][:]
        live[PQ_CONTROL // 4] |= 0 if inst else 0x8000
        live[0x280 // 4] |= 1 << 30
        hqds += "   Inst %d, HIQ on MEC 2 Pipe 0 Queue 0\n" % inst + hqd(inst, mqd(inst, 0x9000))
        hqds += " Inst %d,  CP Pipe 0, Queue 2\n" % inst + hqd(inst, mqd(inst, 0x300000))
        hqds += " Inst %d,  CP Pipe 1, Queue 3\n" % inst + hqd(inst, live)
    live = sdma[:]
    live[0] |= 1
    hqds += "  SDMA Engine 1, RLC 2\n" + sdma_regs(live, 2)
    hqds += "  SDMA Engine 1, RLC 3\n" + sdma_regs([0] * 42, 3)
    return mqds, hqds


def other_gpu(mqds, hqds):
    """The same on a GPU whose HQD registers begin elsewhere."""
    return mqds, hqds.replace(":   ", ": ").replace("    0000c914:", "    0000c824:")


class Decoder:
    def __init__(self, tmp):
        self.tmp = tmp
        self.program = os.path.join(tmp, "decode")
        sources = [os.path.join(USER, f) for f in ("decode.c", "decode_v9.c", "json.c")]
        r = subprocess.run(CC + ["-O1", "-g", "-fsanitize=address,undefined",
                                 "-fno-sanitize-recover=all", "-o", self.program,
                                 os.path.join(HERE, "decode_main.c")] + sources + ["-lm"],
                           check=False)
        if r.returncode:
            sys.exit("decode.py: the command does not build")

    def run(self, *args, stdin=b""):
        return subprocess.run([self.program, *args], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=60)

    def json(self, *texts, args=()):
        files = []
        for i, text in enumerate(texts):
            files.append(os.path.join(self.tmp, "in%d" % i))
            with open(files[-1], "w", encoding="ascii") as f:
                f.write(text)
        r = self.run("--json", *args, *files)
        assert not r.returncode, r.stderr.decode()
        return json.loads(r.stdout)


def test_headers():
    name = "the tables agree with the kernel's headers"
    if not os.path.isdir(AMD):
        skip(name, "no build/linux: make tree")
        return
    r = subprocess.run(CC + ["-fsyntax-only", "-I" + AMD, "-I" + os.path.join(AMD, "asic_reg"),
                             os.path.join(HERE, "decode_layout.c")], check=False)
    test(name, not r.returncode)


def test_made_up(d, mqds, hqds):
    both = d.json(mqds, hqds)
    queues, regs = both["queues"], both["hqds"]
    test("all queues and HQDs are there, and every line", len(queues) == 5 and len(regs) == 8 and
         both["strange_lines"] == 0, both)
    states = [q["state"] for q in queues]
    test("states", states == ["running", "preempted", "not running", "not running", "running"],
         states)
    q = queues[0]
    test("a running queue", q["pid"] == 4711 and q["pasid"] == 0x8002 and q["gpu_id"] == 0x1a2b and
         q["ring"] == 0x71234560000 and q["ring_bytes"] == 4096 and q["format"] == "aql" and
         q["priority"] == 9 and q["vmid"] == 5 and q["control_stack_bytes"] == 0x3000 and
         q["save_area_bytes"] == 0x500000 and q["mqd_stride"] == 0x4000 and
         "pending_packets" not in q, q)
    test("its XCCs", [(x["mqd"], x["save_area"], x["active"], x["hqd"]["inst"], x["hqd"]["pipe"],
                       x["hqd"]["queue"]) for x in q["xccs"]] ==
         [(0x100000, 0x40000000, True, 0, 1, 3), (0x104000, 0x40500000, True, 1, 1, 3)], q["xccs"])
    q = queues[1]
    test("a preempted queue", q["running"] is False and q["pending_packets"] == 5 and
         [(x["saved_control_stack_bytes"], x["saved_wave_bytes"]) for x in q["xccs"]] ==
         [(0x100, 0x6000), (0, 0)], q)
    test("nonsense of offsets is none", "saved_wave_bytes" not in queues[3]["xccs"][0], queues[3])
    q = queues[4]
    test("an SDMA queue", q["type"] == "sdma" and q["running"] and q["ring"] == 0xabcd0000 and
         q["ring_bytes"] == 4096 and q["engine"] == 1 and q["queue"] == 2, q)
    test("HQDs", [(h["type"], h["running"]) for h in regs] ==
         [("hiq", False), ("cp", False), ("cp", True)] * 2 + [("sdma", True), ("sdma", False)], regs)
    test("an HQD is idle", regs[2]["ring_empty"] and regs[2]["idle"] and
         not regs[2]["dispatch_active"] and not regs[5]["ring_empty"], regs[2])
    test("registers by name", regs[2]["fields"]["CP_HQD_PQ_BASE"] == 0x12345600 and
         regs[6]["fields"]["SDMA_RLC_DOORBELL_OFFSET"] == 0x120, regs[2])

    queues = d.json(mqds)["queues"]
    states = [q["state"] for q in queues]
    test("without HQDs", states == ["running", "preempted", "not running", "not running", "unknown"],
         states)
    # Without a hardware scheduler the bit in memory stays clear
    text = mqds.replace("00000001 00000505", "00000000 00000505")
    states = [d.json(text, hqds)["queues"][0]["state"], d.json(text)["queues"][0]["state"]]
    test("HQDs know better", text != mqds and states == ["running", "not running"], states)

    fields = d.json(mqds, args=["--all"])["queues"][0]["xccs"][0]["fields"]
    test("--all has all words", len(fields) == 512, len(fields))
    text = d.run("-", stdin=mqds.encode()).stdout.decode()
    test("in words", "compute queue 0: was running (" in text and
         "compute queue 1: was preempted (" in text and
         "saved 0x100 bytes of control stack, 0x6000 of waves" in text and
         "priority of the queue: 9, above normal" in text and
         "  MQD of XCC 1, where it differs:\n    200  cp_mqd_base_addr_lo" in text, text[:4000])

    other = d.json(*other_gpu(mqds, hqds))
    test("another GPU's registers are words",
         not other["hqds"][0]["known"] and "0x0000c824" in str(other["hqds"][0]["words"]) and
         not other["queues"][0]["known"] and other["queues"][0]["state"] == "unknown" and
         other["queues"][0]["mqds"][0]["words"]["0x00000218"] == 9, other["hqds"][0])
    old = d.json("Node 1, gpu_id 1:\n  SDMA Engine 0, RLC 0\n" +
                 sdma_regs(sdma_mqd(), 0).rsplit(" ", 2)[0] + "\n")
    test("SDMA of before 4.4 is words", len(old["hqds"]) == 1 and not old["hqds"][0]["known"], old)
    odd = d.json("Process 1 PASID 1:\n  Compute queue on device 1\n" + lines([0xc0310800] * 600))
    test("another size is words", not odd["queues"][0]["known"], odd["queues"][0])
    cut = d.json(mqds[:mqds.index("    00000200:") + 20])["queues"]
    test("a cut dump is said to be one", cut[0]["state"] == "unknown" and cut[0]["running"] is None,
         cut)
    stopped = d.run("-", stdin=b"Node 1, gpu_id 1:\n Device is stopped\n")
    test("nothing in it", stopped.returncode == 1 and b"no MQD" in stopped.stderr, stopped)
    r = d.run("-", stdin=b"hello\n" + mqds.encode())
    test("strange lines are counted", not r.returncode and b"1 lines of" in r.stderr, r.stderr)
    long_word = d.json("Process 1 PASID 1:\n  Compute queue on device 1\n    00000000: c03108000\n")
    test("a word of nine digits is none", long_word["strange_lines"] == 1, long_word)
    more = d.json("Node 1, gpu_id 1:\n CP Pipe 0, Queue 2\n" + lines(mqd(0, 0, _208=1)[128:], 0xc914))
    test("a register that is not known is none of the MQD", "cp_mqd_stride_size" in str(
        d.json(mqds)) and "register_ca9c" in more["hqds"][0]["fields"] and
         "cp_mqd_stride_size" not in str(more), more)
    r = d.run("--json", os.path.join(d.tmp, "none"))
    test("no such file", r.returncode == 1 and b"none: No such file" in r.stderr, r)
    test("bad option", d.run("--no").returncode == 2)


def test_real(d):
    """What an MI308X said with 16 HIP streams; the second file is its first part only."""
    folder = os.path.join(SHARED, "data/mi308x")
    names = sorted(glob.glob(os.path.join(folder, "*.txt")), reverse=True)
    if not names:
        skip("dumps of an MI308X", "not in %s: set SHARED" % folder)
        return
    texts = []
    for name in names:
        with open(name, encoding="ascii") as f:
            texts.append(f.read())
    got = d.json(*texts)
    queues = got["queues"]
    test("MI308X: five queues on four XCCs",
         [len(q["xccs"]) for q in queues] == [4] * 5 and not got["strange_lines"], queues)
    test("MI308X: all were running", all(q["running"] for q in queues) and
         all(x["active"] for q in queues for x in q["xccs"]), queues)
    test("MI308X: sizes", all(q["priority"] == 7 and q["control_stack_bytes"] == 0x2000 and
                              q["save_area_bytes"] == 0xba6000 and q["mqd_stride"] == 0x3000
                              for q in queues), queues)
    test("MI308X: strides", all(b["mqd"] - a["mqd"] == 0x3000 and
                                b["save_area"] - a["save_area"] == 0xba6000
                                for q in queues for a, b in zip(q["xccs"], q["xccs"][1:])), queues)
    rings = [q["ring"] for q in queues]
    test("MI308X: rings", rings == [0x7f41b5200000, 0x7f41b5a00000, 0x7f61c0200000, 0x7f61c0400000,
                                    0x7f61c15a6000], [hex(r) for r in rings])
    on = [h for h in got["hqds"] if h["running"]]
    hqd_rings = {h["ring"] for h in on if h["type"] == "cp"}
    test("MI308X: the HQDs are of these queues", hqd_rings == set(rings) and
         all("hqd" in q["xccs"][x] for q in queues for x in range(3)), hqd_rings)
    test("MI308X: HQDs", [sum(h["inst"] == i for h in on) for i in range(3)] == [6] * 3 and
         sum(h["type"] == "hiq" for h in on) == 4 and all(h["idle"] for h in on) and
         got["hqds"][-1]["cut"], len(on))


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 30))):
        kind = rng.randrange(6)
        at = rng.randrange(len(data) + 1)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at:at + rng.randrange(200)]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
        elif kind == 3:
            data[at:at] = data[rng.randrange(len(data) + 1):][:rng.randrange(4000)]
        elif at < len(data):
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def test_fuzz(d, inputs):
    rng = random.Random(1)
    bad = None
    for i in range(FUZZ * len(inputs)):
        data = mutate(rng, inputs[i % len(inputs)])
        args = rng.choice((["-"], ["--json", "-"], ["--all", "-"], ["--json", "--all", "-"]))
        r = d.run(*args, stdin=data)
        try:
            if "--json" in args:
                json.loads(r.stdout)
        except ValueError as e:
            r.stderr += str(e).encode()
            r.returncode = 99
        if r.returncode not in (0, 1) or b"runtime error" in r.stderr or b"Sanitizer" in r.stderr:
            bad = r.stderr.decode(errors="replace")[-2000:]
            with open("decode-fuzz-input", "wb") as f:
                f.write(data)
            break
    test("%d broken inputs" % (FUZZ * len(inputs)), not bad,
         "%s (input in ./decode-fuzz-input)" % bad)

    n = 20000
    many = "Process 1 PASID 1:\n" + ("  SDMA queue on device 1\n" + lines([0] * 8)) * n
    many += "Node 0, gpu_id 1:\n" + (" CP Pipe 0, Queue 0\n" + hqd(0, mqd(0, 1, _208=1))) * (n // 10)
    r = d.run("-", stdin=many.encode())
    test("many of them take no more than a minute", not r.returncode, r.stderr[-500:])
    r = d.run("-", stdin=b"Process 1 PASID 1:\n  Compute queue on device 1\n" +
              b"    00000004:" + b" 00000001" * 1000000)
    test("a long line", not r.returncode and b"1000000 words" in r.stdout, r.stdout[:500])


def main():
    with tempfile.TemporaryDirectory(prefix="decode.") as tmp:
        d = Decoder(tmp)
        mqds, hqds = made_up()
        test_headers()
        test_made_up(d, mqds, hqds)
        test_real(d)
        test_fuzz(d, [mqds.encode(), hqds.encode(), (mqds + hqds).encode()])
    print("1..%d" % Count.all)
    sys.exit(1 if Count.failed else 0)


if __name__ == "__main__":
    main()
