#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What libgpreempt and gpreempt promise and needs no GPU; TAP. Called by make check."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

USER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.environ["OUTPUT"]
POLICY = os.path.join(USER, "../drivers/gpu/drm/amd/amdkfd/kfd_gpreempt_policy.c")
GPREEMPT = os.path.join(OUT, "gpreempt")

count = 0
failed = 0


def test(name, ok, note=""):
    """True, False, or None for what cannot be tested here."""
    global count, failed  # pylint: disable=global-statement
    count += 1
    failed += ok is not None and not ok
    print("%s %d - %s%s" % ("ok" if ok or ok is None else "not ok", count, name,
                            " # SKIP " + note if ok is None else ""), flush=True)
    if note and ok is not None and not ok:
        print("# " + str(note).strip().replace("\n", "\n# "), flush=True)


def run(*cmd, **kw):
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          errors="backslashreplace", check=False, stdin=subprocess.DEVNULL, **kw)


def succeeds(name, *cmd, **kw):
    """A command that must succeed and complain of nothing."""
    if not shutil.which(cmd[0]):
        test(name, None, cmd[0] + " is missing")
        return ""
    r = run(*cmd, **kw)
    test(name, r.returncode == 0 and not r.stderr, r.stderr or r.stdout)
    return r.stdout


def read(*path):
    with open(os.path.join(USER, *path), encoding="utf-8") as f:
        return f.read()


def same(name, *sets):
    test(name, all(s == sets[0] for s in sets),
         "\n".join(str(sorted(s ^ sets[0])) for s in sets[1:]))


def header(tmp):
    """Compiles alone, in both languages, and declares what is exported."""
    path = os.path.join(tmp, "alone.c")
    with open(path, "w", encoding="ascii") as f:
        f.write('#include "libgpreempt.h"\nint unused_here;\n')
    strict = ("-I" + USER, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", path)
    succeeds("the header alone is C99", "gcc", "-std=c99", *strict)
    succeeds("the header alone is C++11", "g++", "-xc++", "-std=c++11", *strict)

    so = os.path.join(OUT, "libgpreempt.so")
    in_map = set(re.findall(r"\t(gpreempt_\w+);", read("libgpreempt.map")))
    symbols = re.findall(r" [TDBR] (\S+)", run("nm", "-D", "--defined-only", so).stdout)
    exported = {s for s in symbols if not s.startswith("LIBGPREEMPT_")}
    same("what is exported is what the map says, with its version", exported,
         {s + "@@LIBGPREEMPT_1.0" for s in in_map})
    text = re.sub(r"/\*.*?\*/", "", read("libgpreempt.h"), flags=re.S)
    declared = set(re.findall(r"\b(gpreempt_\w+)\(", text))
    same("and what the header declares", declared, in_map)
    same("and what the manual describes", declared,
         set(re.findall(r"\b(gpreempt_\w+)\(", read("man/libgpreempt.3"))))
    test("soname", "[libgpreempt.so.1]" in run("readelf", "-d", so).stdout)


def limits():
    """As the driver has them, by the name of the parameter in lower case."""
    with open(POLICY, encoding="ascii") as f:
        text = f.read()
    text = text.replace("KFD_GPREEMPT_POLICY_STRICT", "0").replace("KFD_GPREEMPT_POLICY_AGED", "1")
    found = {"enable": (0, 1, 0, 0)}
    for name, low, high, default, zero in re.findall(
            r"\[KFD_GPREEMPT_(\w+)\]\s*=\s*{\s*(\d+),\s*(\d+),\s*(\d+)(, true)?\s*}", text):
        found[name.lower()] = (int(low), int(high), int(default), int(bool(zero)))
    return found


def library(tmp):
    """Installed, a program finds it through pkg-config; its words are there."""
    root = os.path.join(tmp, "root")
    succeeds("install", "make", "-s", "-C", USER, "OUTPUT=" + OUT, "DESTDIR=" + root,
             "PREFIX=/usr", "install")
    if not shutil.which("pkg-config"):
        test("link", None, "pkg-config is missing")
        return
    env = dict(os.environ, PKG_CONFIG_PATH=root + "/usr/lib/pkgconfig",
               PKG_CONFIG_SYSROOT_DIR=root, LD_LIBRARY_PATH=root + "/usr/lib")
    flags = run("pkg-config", "--cflags", "--libs", "libgpreempt", env=env).stdout.split()
    out = ""
    for name, compiler in (("C", ["gcc"]), ("C++", ["g++", "-xc++"]), ("C, static", ["gcc"])):
        program = os.path.join(tmp, "link")
        static = ["-static"] if "static" in name else []
        succeeds("build a program in " + name, *compiler, "-Wall", "-Wextra", "-Werror",
                 os.path.join(USER, "tests/link.c"), "-xnone", *static, *flags, "-o", program,
                 env=env)
        if os.path.exists(program):
            out = succeeds("and run it", program, env=env)
            os.unlink(program)
    params = {}
    for name, *numbers in re.findall(r"^param (\w+) (\d+) (\d+) (\d+) (\d)$", out, re.M):
        params[name] = tuple(int(n) for n in numbers)
    test("bounds and defaults are the driver's", params == limits(),
         "%s\n%s" % (params, limits()))
    said = re.findall(r"^explain \d (-?\d+) (.*)$", out, re.M)
    test("each error has a sentence", len(said) == 7 * 401 and all(s for _, s in said))
    by_sign = re.findall(r"^explain (\d) (-?\d+) (.*)$", out, re.M)
    texts = {(op, int(error)): text for op, error, text in by_sign}
    test("of either sign", all(texts[op, e] == texts[op, -e] for op, e in texts))
    test("strings for what is not known", out.count("state unknown") == 2 and
         out.count("holder unknown") == 2)
    test("the version is that of the file",
         os.path.exists(root + "/usr/lib/libgpreempt.so." +
                        out.rpartition("version ")[2].strip()))


def json_writer(tmp):
    program = os.path.join(tmp, "json")
    succeeds("build the JSON writer's test", "gcc", "-Wall", "-Wextra", "-Werror", "-o", program,
             os.path.join(USER, "tests/json.c"), os.path.join(USER, "json.c"))
    lines = run(program).stdout.splitlines()
    expected = {
        'quote " back \\': "new\nline\ttab \x01 \x7f",
        "utf8": "\u00e9 \u20ac \U0001f600",
        "bad": "??|???|??|?|????|?".replace("?", "\ufffd"),
        "none": None, "empty": [],
        "numbers": [2 ** 64 - 1, -2 ** 63, 0.25, None, None],
        "nested": {"yes": True, "no": False, "null": None, "empty": {}},
    }
    try:
        values = [json.loads(line) for line in lines]
    except ValueError as e:
        values = str(e)
    test("JSON means what was written", values == [expected, [{}, {}]], values)


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--help", "--version"}


def command():
    """Help, manual and completion name the same; wrong arguments are told."""
    text = succeeds("help", GPREEMPT, "--help")
    names = set(re.findall(r"^  (\w+) ", text, re.M))
    manual = read("man/gpreempt.1").replace("\\-", "-")
    completion = read("gpreempt.bash")
    # The decoder is a file of its own
    decode = {"decode"} if not os.path.exists(os.path.join(USER, "decode.c")) else set()
    same("help, manual and completion have the same commands", names | decode,
         set(re.findall(r"^\.SS (\w+)$", manual, re.M)),
         set(re.search(r"words='(list [^']*)'", completion).group(1).split()) -
         {"--help", "--version"})

    target = "--pid --queue --cgroup --gpu"
    for name in sorted(names - {"decode"}):
        help_text = succeeds("help of " + name, GPREEMPT, name, "--help")
        part = re.search(r"\t%s\)(.*?);;" % name, completion, re.S).group(1)
        same("completion of %s has the options of its help" % name,
             options_in(help_text) - ({"--detach"} if name == "resume" else set()) -
             ({"--batch"} if name != "top" else set()),
             options_in(part.replace("$target", target)))
        same("and the manual knows them", options_in(help_text) & options_in(manual),
             options_in(help_text))
    test("the manual knows no others", options_in(manual) <=
         options_in("".join(run(GPREEMPT, n, "--help").stdout for n in names)))
    test("the version", re.fullmatch(r"gpreempt \d+\.\d+\n",
                                     run(GPREEMPT, "--version").stdout))
    words = set(re.findall(r"(?:enable|\w+_[um]s|policy|rank)\b",
                           re.search(r"\tconfig\)(.*?);;", completion, re.S).group(1)))
    same("completion of config has the parameters", words, set(limits()))

    for args in ("", "nothing", "list more", "list --pid", "list --pid x", "list --pid 0",
                 "list --pid -1", "list --pid 1x", "list --queue 1", "list --bad", "preempt",
                 "preempt --detach",
                 "preempt --pid 1 true", "preempt --pid 1 --timeout 5",
                 "preempt --pid 1 --detach -- true", "resume", "resume --pid 1 --drain",
                 "config nothing", "config nothing=1", "config enable=2", "config policy=fast",
                 "config interval_us=99", "config interval_us=1000x", "config turn_us=50",
                 "top --delay 0", "top --delay x", "top -n 0", "top --sort colour",
                 "trace --duration 0", "trace --duration nan", "trace more"):
        r = run(GPREEMPT, *args.split())
        test("wrong: gpreempt " + args, r.returncode == 2 and len(r.stderr) > 20 and not r.stdout,
             "%d %s" % (r.returncode, r.stderr))
    if not os.path.exists("/dev/kfd"):
        for args in ("list", "list --json", "top -b", "preempt --gpu 1", "config"):
            r = run(GPREEMPT, *args.split())
            test("without a GPU: gpreempt " + args,
                 r.returncode == 1 and "load amdgpu" in r.stderr and not r.stdout, r.stderr)
    r = run("sh", "-c", '"$0" --help >/dev/full', GPREEMPT)
    test("output that cannot be written", r.returncode == 1 and "cannot write" in r.stderr,
         r.stderr)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        header(tmp)
        library(tmp)
        json_writer(tmp)
        command()
        for page in "gpreempt.1", "libgpreempt.3":
            succeeds("manual page " + page, "groff", "-man", "-ww", "-z", "-Tutf8",
                     os.path.join(USER, "man", page))
        succeeds("bash reads the completion", "bash", "-n", os.path.join(USER, "gpreempt.bash"))
        for script in "freeze-cgroup.sh", "slurm-suspend.sh":
            succeeds("sh reads " + script, "sh", "-n", os.path.join(USER, "examples", script))
    print("1..%d" % count)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
