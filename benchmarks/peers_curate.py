"""Compare ``imgkit curate`` with other tools on the same pictures in one run: CPU seconds, and what broken files do.

    python benchmarks/peers_curate.py --imagededup PYTHON --cleanvision PYTHON [--pictures 556] [--photos DIR]

Each PYTHON is the interpreter of an environment of its own in which that tool is installed. Every tool runs as a
process that says how many CPU seconds its work took, its own children included and its imports left out. imgkit is
there twice: with all that its checks need before a model is asked (hashes, verified copies, quality), beside
cleanvision's checks; and with hashes and the search among them alone, beside imagededup's. JPEGs are decoded at no more
than hashes need; the last line says how many bits of a hash that changes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from planting import PHOTOS, Table, monkeys, strangers

from imgkit.vision import phash
from imgkit.vision.decode import open_picture

CLOCK = """
import json, resource, sys, warnings
warnings.filterwarnings("ignore")
def spent():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)
def tell(**facts):
    print("RESULT " + json.dumps({"cpu": spent() - began, **facts}))
folder, mode = sys.argv[1:3]
"""

# the CPU build of torch has no torchvision operators of its own; the tool does not use them either
IMAGEDEDUP = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from imagededup.methods import PHash
if __name__ == "__main__":
    began = spent()
    hasher = PHash(verbose=False)
    encodings = hasher.encode_images(image_dir=folder)
    if mode == "speed":
        found = hasher.find_duplicates(encoding_map=encodings)
        tell(found=sum(len(each) for each in found.values()) // 2)
    else:
        from pathlib import Path
        tell(missing=sorted(set(one.name for one in Path(folder).iterdir()) - set(encodings)), crashes=[])
"""

CLEANVISION = """
from pathlib import Path
from cleanvision import Imagelab
import contextlib, io
if __name__ == "__main__":
    files = sorted(str(one) for one in Path(folder).iterdir())
    began = spent()
    with contextlib.redirect_stdout(io.StringIO()):
        if mode == "speed":
            lab = Imagelab(filepaths=files)
            lab.find_issues()
            facts = {"found": int(lab.issue_summary["num_images"].sum())}
        else:
            crashes = []
            for file in files:
                try:
                    Imagelab(filepaths=[file]).find_issues(n_jobs=1)
                except Exception as error:
                    crashes.append(Path(file).name)
            facts = {"missing": [], "crashes": crashes}
    tell(**facts)
"""

HASHES = """
from pathlib import Path
import numpy as np
from imgkit.curate.hamming import pairs_within
from imgkit.vision import phash
from imgkit.vision.decode import UnreadablePictureError, open_picture
if __name__ == "__main__":
    began = spent()
    files, thumbnails = sorted(Path(folder).iterdir()), {}
    for file in files:
        try:
            thumbnails[file.name] = phash.thumbnail(open_picture(file, longest=3 * phash.SIDE_PX))
        except UnreadablePictureError:
            pass
    hashes = phash.hash_thumbnails(np.stack(list(thumbnails.values())))
    if mode == "speed":
        values = np.array([one.value for one in hashes], dtype=np.uint64)
        tell(found=len(pairs_within(values, 10).first))
    else:
        tell(missing=[file.name for file in files if file.name not in thumbnails], crashes=[])
"""

IMGKIT = """
from pathlib import Path
from imgkit.curate.faults import faults_of
from imgkit.curate.duplicates import find_copies
from imgkit.curate.fingerprints import fingerprints
from imgkit.curate.pictures import Picture
from imgkit.files import sha256_of
from imgkit.progress import Silent
from PIL import Image
import tempfile
def pictures():
    for path in sorted(Path(folder).iterdir()):
        digest = sha256_of(path)
        try:
            with Image.open(path) as image:
                width, height = image.size
        except Exception:
            width = height = 0
        yield Picture(label="", image_id=digest[:20], path=path, file_sha256=digest, sha256=digest, width=width,
                      height=height, bytes=path.stat().st_size, label_now="")
if __name__ == "__main__":
    began = spent()
    found = list(pictures())
    with tempfile.TemporaryDirectory() as cache:
        prints = fingerprints(found, cache=Path(cache), progress=Silent())
        if mode == "speed":
            copies = find_copies(found, prints, None, near_bits=10, cache=Path(cache), progress=Silent())
            faults = sum(bool(faults_of(one, row)) for one, row in zip(found, prints) if row["readable"])
            tell(found=len(copies.pairs) + faults)
        else:
            tell(missing=[one.path.name for one, row in zip(found, prints) if not row["readable"]], crashes=[])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--pictures", type=int, default=556)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--imagededup", type=Path)
    parser.add_argument("--cleanvision", type=Path)
    arguments = parser.parse_args()
    if not arguments.photos.exists():
        print(f"skipped: {arguments.photos} is not there")
        return
    tools = {
        "imgkit: all checks without a model": (Path(sys.executable), IMGKIT),
        "imgkit: hashes and search alone": (Path(sys.executable), HASHES),
        "imagededup: pHash and search": (arguments.imagededup, IMAGEDEDUP),
        "cleanvision: all checks": (arguments.cleanvision, CLEANVISION),
    }
    table = Table(
        "tool", "pictures", "CPU seconds, least of the runs", "of imgkit's", "odd files it names", "crashes on"
    )
    ours = 0.0
    with tempfile.TemporaryDirectory() as place:
        speed, odd = Path(place) / "speed", Path(place) / "odd"
        count = fill(speed, arguments.photos, arguments.pictures)
        spoiled = fill_odd(odd, arguments.photos)
        for name, (python, code) in tools.items():
            if python is None:
                table.tell(name, "", "not given", "", "", "")
                continue
            best = min(run(python, code, speed, "speed")["cpu"] for _ in range(arguments.repeats))
            ours = ours or best
            broken = run(python, code, odd, "odd")
            named = f"{len(broken['missing'])} of {spoiled}" if broken["missing"] else "none"
            crashes = f"{len(broken['crashes'])} files" if broken["crashes"] else "none"
            table.tell(name, str(count), f"{best:.2f}", f"{best / ours:.1f} x", named, crashes)
            if broken["crashes"]:
                print(f"  {', '.join(broken['crashes'])}")
        moved = moved_bits(speed)
    table.show()
    print(moved)


def moved_bits(folder: Path) -> str:
    """Say how far the hashes of small decodes are from those of all pixels."""
    files = sorted(folder.iterdir())
    small, whole = (
        [phash.orientations(open_picture(file, longest=longest)).value for file in files]
        for longest in (3 * phash.SIDE_PX, None)
    )
    bits = [(one ^ other).bit_count() for one, other in zip(small, whole, strict=True)]
    return (
        f"of {len(bits)} hashes {bits.count(0)} are those of all pixels; the others differ by {max(bits)} bits at most"
    )


def fill(folder: Path, photos: Path, wanted: int) -> int:
    """Copy photographs: 556 of up to 640 px from a harvest and of other things first, then those of 250 px."""
    folder.mkdir()
    harvest = sorted((photos / "bears_harvest").glob("*/*.jpg"))
    files = [*harvest, *strangers(photos), *monkeys(photos)][:wanted]
    for number, file in enumerate(files):
        shutil.copy(file, folder / f"{number:05d}.jpg")
    return len(files)


def fill_odd(folder: Path, photos: Path) -> int:
    """Copy odd files under one folder; return how many of them nobody can decode."""
    folder.mkdir()
    from PIL import Image

    spoiled = 0
    for file in sorted((photos / "odd" / "made").iterdir()):
        shutil.copy(file, folder / file.name)
        try:
            with Image.open(file) as image:
                image.load()
        except Exception:  # whatever Pillow raises: it does not decode
            spoiled += 1
    return spoiled


def run(python: Path, code: str, folder: Path, mode: str) -> dict:
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "work.py"
        script.write_text(CLOCK + code)
        done = subprocess.run([python, script, folder, mode], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    return sys.exit(f"{python} failed in mode {mode}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
