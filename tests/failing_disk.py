"""A disk that fails or is full: calls on files below a folder fail from the n-th on, in a process of its own.

A library that is loaded before all others stands in for the calls by which a program reads. It is compiled when a test
asks for it; without a C compiler, or where nothing can be loaded first, those tests are skipped.
"""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

static int fails(int descriptor) {
    static long reads;
    char link[64], path[4096];
    const char *below = getenv("FAIL_BELOW"), *from = getenv("FAIL_FROM");
    if (!below || !from) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, below, strlen(below))) return 0;
    if (__sync_add_and_fetch(&reads, 1) < atol(from)) return 0;
    const char *with = getenv("FAIL_WITH");
    errno = with ? atoi(with) : EIO;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int descriptor, void *buffer, size_t count) {
    return fails(descriptor) ? -1 : NEXT(read)(descriptor, buffer, count);
}

ssize_t pread(int descriptor, void *buffer, size_t count, off_t offset) {
    return fails(descriptor) ? -1 : NEXT(pread)(descriptor, buffer, count, offset);
}

ssize_t pread64(int descriptor, void *buffer, size_t count, off64_t offset) {
    return fails(descriptor) ? -1 : NEXT(pread64)(descriptor, buffer, count, offset);
}

ssize_t sendfile(int target, int source, off_t *offset, size_t count) {
    return fails(source) ? -1 : NEXT(sendfile)(target, source, offset, count);
}

ssize_t sendfile64(int target, int source, off64_t *offset, size_t count) {
    return fails(source) ? -1 : NEXT(sendfile64)(target, source, offset, count);
}

ssize_t copy_file_range(int source, off64_t *from, int target, off64_t *to, size_t count, unsigned flags) {
    return fails(source) ? -1 : NEXT(copy_file_range)(source, from, target, to, count, flags);
}
"""

HEAD, READS = SHIM[: SHIM.index("ssize_t read(")], SHIM[SHIM.index("ssize_t read(") :]
WRITES = r"""
ssize_t write(int descriptor, const void *buffer, size_t count) {
    return fails(descriptor) ? -1 : NEXT(write)(descriptor, buffer, count);
}

ssize_t pwrite64(int descriptor, const void *buffer, size_t count, off64_t offset) {
    return fails(descriptor) ? -1 : NEXT(pwrite64)(descriptor, buffer, count, offset);
}

ssize_t sendfile(int target, int source, off_t *offset, size_t count) {
    return fails(target) ? -1 : NEXT(sendfile)(target, source, offset, count);
}

ssize_t sendfile64(int target, int source, off64_t *offset, size_t count) {
    return fails(target) ? -1 : NEXT(sendfile64)(target, source, offset, count);
}

ssize_t copy_file_range(int source, off64_t *from, int target, off64_t *to, size_t count, unsigned flags) {
    return fails(target) ? -1 : NEXT(copy_file_range)(source, from, target, to, count, flags);
}

int fsync(int descriptor) {
    return fails(descriptor) ? -1 : NEXT(fsync)(descriptor);
}
"""


def full(folder: Path, place: Path, *, first: int) -> dict[str, str]:
    """Return the environment in which writes into ``place`` find no room from number ``first`` on."""
    library = compiled(folder, HEAD + WRITES)
    failing = {"FAIL_BELOW": f"{place.resolve()}/", "FAIL_FROM": str(first), "FAIL_WITH": str(errno.ENOSPC)}
    return {"LD_PRELOAD": str(library), **failing}


def compiled(folder: Path, code: str = SHIM) -> Path:
    """Return the library, built in ``folder``; skip the test where that cannot be done."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler on a Linux system to build a failing disk with")
    source, library = folder / "failing.c", folder / "failing.so"
    source.write_text(code)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def imgkit(
    *arguments: object, shim: Path | None = None, below: Path | None = None, first: int = 1, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command; reads of files below ``below`` fail from number ``first`` on where a shim is given.

    ``more`` are further variables of its environment.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMGKIT_", "FLICKR_"))}
    environ |= {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}
    if shim is not None and below is not None:
        environ |= {"LD_PRELOAD": str(shim), "FAIL_BELOW": f"{below.resolve()}/", "FAIL_FROM": str(first)}
    return subprocess.run(
        [sys.executable, "-m", "imgkit", *map(str, arguments)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
