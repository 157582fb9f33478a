# SPDX-License-Identifier: GPL-2.0
"""The steps of scripts/check that read and compile, for make lint. They run nothing of ours."""

import glob
import os
import re
import shutil
import subprocess

from report import BUILD, LINUX, TOP, log_of, report, sh

LINT = os.path.join(BUILD, "lint")
HEADERS = os.path.join(LINT, "headers")
ARM64 = ("ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-")


def output(*cmd, **kw):
    return subprocess.run(cmd, stdout=subprocess.PIPE, text=True, check=True, **kw).stdout


def touched(*suffixes, added=False, under=""):
    """What the series adds or changes in the kernel tree."""
    names = output("git", "diff", "--name-only", "--no-renames",
                   "--diff-filter=" + ("A" if added else "d"), "base", "HEAD", cwd=LINUX)
    return [n for n in names.split("\n") if n.endswith(suffixes) and n.startswith(under)]


def silent(name, log, wanted, ignore="$^"):
    """One test: no line of a log is wanted, but for those to ignore."""
    with open(log, errors="replace") as f:
        lines = [l for l in f if re.search(wanted, l) and not re.search(ignore, l)]
    report(not lines, name, "\n     " + "     ".join(lines[:12]))


def empty(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def copy(names, to):
    for name in names:
        os.makedirs(os.path.join(to, os.path.dirname(name)), exist_ok=True)
        shutil.copy(os.path.join(LINUX, name), os.path.join(to, name))


def checkpatch():
    """MAINTAINERS has our files; the sign-off is the submitter's; AMD's registers are mmNAME;
    a trace header has a style of its own."""
    with open(os.path.join(TOP, "patches/series"), encoding="ascii") as f:
        names = f.read().split()
    for name in names:
        patch = os.path.join(TOP, "patches", name)
        ignore = "MISSING_SIGN_OFF,FILE_PATH_CHANGES"
        with open(patch, encoding="utf-8") as f:
            text = f.read()
            if "mmCP_HQD" in text:
                ignore += ",CAMELCASE"
            if "+TRACE_EVENT(" in text:
                ignore += ",OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,SPACING"
        sh("checkpatch " + name, "scripts/checkpatch.pl", "--strict", "--no-tree", "--quiet",
           "--show-types", "--ignore", ignore, patch, cwd=LINUX)


def objects(way):
    sh("objects " + way, os.path.join(TOP, "scripts/objects"), way)


def kernel_doc():
    """Files that the series changes may keep the warnings that they had."""
    base = empty(os.path.join(LINT, "base"))
    for name in touched(".c", ".h"):
        found = []
        old = os.path.join(base, os.path.basename(name))
        r = subprocess.run(["git", "show", "base:" + name], cwd=LINUX, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=False)
        with open(old, "wb") as f:
            f.write(r.stdout)
        for path in old, os.path.join(LINUX, name):
            r = subprocess.run(["scripts/kernel-doc", "-none", "-Wall", path], cwd=LINUX,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               check=False)
            # without the file's name and the line's number
            found.append(re.findall(r"^\S+?:\d+: (warning|error): (.*)", r.stdout, re.M))
        new = [text for kind, text in found[1] if (kind, text) not in found[0]]
        report(not new, "kernel-doc " + name, "; ".join(new))


def our_lines(name):
    """Of a file that the series changes; the others have findings of their own."""
    diff = output("git", "diff", "-U0", "--no-renames", "base", "HEAD", "--", name, cwd=LINUX)
    lines = set()
    for m in re.finditer(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", diff, re.M):
        lines.update(range(int(m[1]), int(m[1]) + int(m[2] or 1)))
    return lines


def coccicheck():
    """The kernel's rules on what is ours in the kernel; those that know the kernel's helpers are
    not for the tests in user space, and those written in OCaml want a compiler of it."""
    src = empty(os.path.join(LINT, "cocci"))
    copy([n for n in touched(".c", ".h") if not n.startswith("tools/testing/selftests/")], src)
    o = os.path.join(LINT, "cocci.o")
    # but those in OCaml
    rules = output("git", "grep", "-L", "-e", "script:ocaml", "--", "scripts/coccinelle/*.cocci",
                   cwd=LINUX).split()
    log = log_of("coccicheck")
    with open(log, "w") as f:
        r = subprocess.run(["xargs", "-P", str(os.cpu_count()), "-I{}", "make", "-s", "-C", LINUX,
                            "O=" + o, "M=" + src, "MODE=report", "J=1", "V=0", "COCCI=%s/{}" % LINUX,
                            "coccicheck"], input="\n".join(sorted(rules)), text=True, stdout=f,
                           stderr=subprocess.STDOUT, check=False)
    report(r.returncode == 0, "coccicheck", "see %s" % os.path.relpath(log, TOP))
    with open(log, errors="replace") as f:
        found = re.findall(r"^%s/(\S+?):(\d+):(.*)" % re.escape(src), f.read(), re.M)
    # The policy also compiles in user space, which has no min() and max().
    ours = ["%s:%s:%s" % (name, line, text) for name, line, text in found
            if int(line) in our_lines(name)
            and not (name.endswith("/kfd_gpreempt_policy.c")
                     and re.search(r"opportunity for (min|max)\(\)", text))]
    report(not ours, "coccicheck of %d rules" % len(rules), "\n     ".join([""] + ours[:12]))


def headers():
    """The uAPI header alone, twice, as usr/include does, in C and C++. Ours also around that of
    the kernel without the series; and pedantically what the series adds, as the rest is not."""
    if not sh("lint headers", "make", "-s", "-C", LINUX, "O=" + os.path.join(BUILD, "headers.o"),
              "INSTALL_HDR_PATH=" + HEADERS, "headers_install"):
        return
    system = os.path.join(HEADERS, "include")
    sh("headers_check", "perl", "usr/include/headers_check.pl", system, "x86",
       system + "/linux/kfd_ioctl.h", cwd=LINUX)
    ours = os.path.join(TOP, "include/uapi")
    with open(ours + "/linux/kfd_ioctl.h", encoding="utf-8") as f:
        added = re.search(r"^#ifndef AMDKFD_IOC_PREEMPT_QUEUE\n(.*?)^#endif", f.read(), re.M | re.S)
    stock = empty(os.path.join(LINT, "uapi"))
    for name, text in (("kfd_ioctl.h", output("git", "show", "base:include/uapi/linux/kfd_ioctl.h",
                                              cwd=LINUX)),
                       ("added.h", "#include <linux/kfd_ioctl.h>\n" + added.group(1))):
        os.makedirs(os.path.join(stock, "linux"), exist_ok=True)
        with open(os.path.join(stock, "linux", name), "w", encoding="utf-8") as f:
            f.write(text)
    header = ("-include", "linux/kfd_ioctl.h") * 2
    for name, args in (
            ("installed", ("-I", system, *header)),
            ("ours", ("-I", ours, "-isystem", system, *header)),
            ("ours around stock", ("-I", ours, "-isystem", stock, "-isystem", system, *header)),
            ("added", ("-pedantic", "-isystem", stock, "-isystem", system,
                       "-include", os.path.join(stock, "linux/added.h")))):
        for lang, std in ("c", "gnu89"), ("c", "c99"), ("c", "c11"), ("c++", "c++98"), ("c++", "c++17"):
            for cc in "gcc", "clang":
                sh("uapi %s, %s -std=%s" % (name, cc, std), cc, "-x", lang, "-std=" + std, "-Wall",
                   "-Wextra", "-Werror", "-fsyntax-only", *args, "/dev/null")


def selftests():
    """As the kernel's documentation says, in the kernel tree; also packed, and for arm64."""
    for name, args in ("x86", ()), ("clang", ("LLVM=1",)), ("arm64", ARM64):
        o = empty(os.path.join(LINT, "kselftest." + name))
        if not sh("kselftest headers " + name, "make", "-s", "-C", LINUX, "O=" + o, *args,
                  "headers"):
            continue
        what = "kselftest " + name
        sh(what, "make", "-C", os.path.join(LINUX, "tools/testing/selftests"), "O=" + o, *args,
           "TARGETS=kfd_gpreempt", "-j%d" % os.cpu_count(), "gen_tar" if name == "x86" else "all")
        # clang looks into the harness's macros; both are off in the kernel, too
        silent(what + " warnings", log_of(what), "warning:",
               ignore=r"\[-W(sign-compare|missing-field-initializers)\]")
    tar = os.path.join(LINT, "kselftest.x86/kselftest/kselftest_install/kselftest-packages",
                       "kselftest.tar.gz")
    r = subprocess.run(["tar", "-tf", tar], stdout=subprocess.PIPE, text=True, check=False)
    missing = [n for n in output("git", "ls-files", "*_test.c", cwd=os.path.join(
        LINUX, "tools/testing/selftests/kfd_gpreempt")).split()
               if "kfd_gpreempt/" + n[:-2] not in r.stdout]
    report(r.returncode == 0 and not missing, "kselftest package", " ".join(missing))


def shell():
    names = [n for n in output("git", "ls-files", "-co", "--exclude-standard", cwd=TOP).split("\n")
             if n and is_script(n, b"sh")]
    for name in names:
        # what is sourced lies beside the script
        sh("shellcheck " + name, "shellcheck", "-x", "-P", "SCRIPTDIR", name, cwd=TOP)


def python():
    names = [n for n in output("git", "ls-files", "-co", "--exclude-standard", cwd=TOP).split("\n")
             if n and is_script(n, b"python")]
    sh("pylint", "pylint", "--rcfile", "scripts/pylintrc", "--score=n", "-j", "0", *names,
       show=40, cwd=TOP)


def is_script(name, language):
    try:
        with open(os.path.join(TOP, name), "rb") as f:
            head = f.read(200)
    except OSError:
        return False
    return (re.match(rb"#!.*\b%s3?\b" % language, head) is not None
            or b"# shellcheck shell=%s\n" % language in head
            or language == b"python" and name.endswith(".py"))


DOCS = """GPREEMPT
========

.. toctree::
   :glob:

   gpu/*/index
   abi
"""


def docs():
    """Our pages alone, by the kernel's Sphinx extensions: all of gpu takes minutes, and warns."""
    o = empty(os.path.join(LINT, "docs"))
    src = os.path.join(o, "Documentation")
    pages = touched("", added=True, under="Documentation/")
    copy(pages, o)
    copy(included(pages), o)
    abi = os.path.join(o, "Documentation/ABI")
    sh("get_abi.pl", "scripts/get_abi.pl", "--dir", abi, "validate", cwd=LINUX)
    with open(os.path.join(src, "index.rst"), "w") as f:
        f.write(DOCS)
    with open(os.path.join(src, "abi.rst"), "w") as f:
        f.write("ABI\n===\n\n" + output("scripts/get_abi.pl", "--dir", abi, "--rst-source", "rest",
                                        cwd=LINUX))
    version = output("make", "-s", "-C", LINUX, "kernelversion").strip()
    env = dict(os.environ, srctree=LINUX, KERNELVERSION=version, PYTHONDONTWRITEBYTECODE="1",
               BUILDDIR=o, LC_ALL="C.UTF-8")
    ok = sh("sphinx", "sphinx-build", "-q", "-b", "html", "-c", LINUX + "/Documentation",
            "-d", o + "/doctrees", "-D", "version=" + version, "-D", "release=" + version,
            "-D", "kerneldoc_srctree=" + LINUX,
            "-D", "kerneldoc_bin=" + LINUX + "/scripts/kernel-doc",
            "-W", "--keep-going", src, o + "/html", env=env, cwd=o)
    if ok:
        images = figures(src)
        made = glob.glob(o + "/html/_images/*")
        report(len(made) >= images, "sphinx pictures", "%d of %d" % (len(made), images))
        silent("sphinx says", log_of("sphinx"), "WARNING|ERROR|not found")


def included(pages):
    """What they show of other files."""
    names = set()
    for page in pages:
        with open(os.path.join(LINUX, page), encoding="utf-8") as f:
            for name in re.findall(r"^\s*\.\. literalinclude:: *(\S+)", f.read(), re.M):
                names.add(os.path.normpath(os.path.join(os.path.dirname(page), name)))
    return sorted(names)


def figures(src):
    n = 0
    for name in glob.glob(src + "/gpu/**/*.rst", recursive=True):
        with open(name, encoding="utf-8") as f:
            n += len(re.findall(r"^\s*\.\. kernel-(?:figure|image|render)::", f.read(), re.M))
    return n


def htmldocs():
    """The whole of Documentation/gpu, for which others' warnings do not count."""
    names = [os.path.basename(n).split(".")[0] for n in touched("", under="Documentation/")
             + touched(".c", ".h", added=True)]
    sh("htmldocs", "make", "-s", "-C", LINUX, "O=" + os.path.join(LINT, "htmldocs"),
       "SPHINXDIRS=gpu", "htmldocs")
    silent("htmldocs of ours", log_of("htmldocs"), r"/(%s)[.:]" % "|".join(set(names)),
           ignore=r"/(drivers)\.rst:")


STEPS = [
    # name, runs alone, function: as in scripts/check
    ("lint checkpatch", True, checkpatch),
    ("lint shell", True, shell),
    ("lint python", True, python),
    ("lint kernel-doc", True, kernel_doc),
    ("lint docs", True, docs),
    ("lint uapi", True, headers),
    ("lint selftests", True, selftests),
    ("lint sparse", True, lambda: objects("sparse")),
    ("lint clang", True, lambda: objects("clang")),
    ("lint arm64", True, lambda: objects("arm64")),
    ("lint builtin", True, lambda: objects("builtin")),
    ("lint least", True, lambda: objects("least")),
    ("lint coccicheck", True, coccicheck),
    # By name: minutes, nearly all for pages of others
    ("htmldocs", True, htmldocs),
]
