"""Write ``lock.txt`` and ``cuda.txt``: every package of ``make test`` with its version and the SHA-256 of its files.

``make lock`` runs this; it asks the package index through uv and downloads no package. Versions that are pinned already
stay unless ``--upgrade`` is given. ``torch-cpu.txt`` is written by hand.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "3.11.7"
OF_CUDA = re.compile(r"(nvidia|cuda)-|triton==")
"""Packages that only a build of torch for CUDA needs: gigabytes, and installed only beside such a build."""
HEAD = """\
# {what}
# Written by constraints/lock.py (make lock). Install with: pip install --require-hashes --no-deps -r constraints/{name}
"""
BLOCK = re.compile(r"^([a-z0-9][^ \n]*==[^\n]*?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


def blocks(text: str) -> dict[str, set[str]]:
    """Return the hashes of each requirement (with its marker) of a lock."""
    return {name: set(re.findall(r"sha256:[0-9a-f]{64}", hashes)) for name, hashes in BLOCK.findall(text)}


def compile_lock(known: dict[str, set[str]], *, upgrade: bool) -> str:
    """Return what uv resolves for all platforms, from the versions that are known already unless ``upgrade``."""
    pins = "".join(f"{name.split(' ;')[0]}\n" for name in known) if not upgrade else ""
    (pinned := HERE / ".pinned.txt").write_text(pins, encoding="utf-8")
    options = ["--universal", "--python-version", PYTHON, "--generate-hashes", "--no-annotate", "--no-header"]
    options += ["--extra", "dev", "--system-certs", "--quiet", "-c", str(HERE / "cpu.txt"), "-c", str(pinned)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", *options, str(HERE.parent / "pyproject.toml"), "-"],
            input="editables\n",  # hatchling asks for it when the checkout is installed in place
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    finally:
        pinned.unlink()
    return done.stdout


def write(name: str, what: str, found: dict[str, set[str]]) -> None:
    """Write one lock, a requirement with its hashes after the other."""
    text = HEAD.format(what=what, name=name)
    for requirement, hashes in sorted(found.items()):
        lines = " \\\n".join(f"    --hash={one}" for one in sorted(hashes))
        text += f"{requirement} \\\n{lines}\n"
    (HERE / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Write both locks."""
    old = {name: text for name in ("lock.txt", "cuda.txt") if (text := _read(name))}
    known = {requirement: hashes for text in old.values() for requirement, hashes in blocks(text).items()}
    found = blocks(compile_lock(known, upgrade="--upgrade" in sys.argv[1:]))
    everywhere = {name: hashes for name, hashes in found.items() if not OF_CUDA.match(name)}
    write("lock.txt", "Every package of `make demo` and `make test`, with the SHA-256 of its files.", everywhere)
    cuda = {name: hashes for name, hashes in found.items() if OF_CUDA.match(name)}
    write("cuda.txt", "What a build of torch for CUDA needs besides lock.txt.", cuda)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8") if (HERE / name).is_file() else ""


if __name__ == "__main__":
    main()
