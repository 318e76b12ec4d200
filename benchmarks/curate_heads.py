"""Train and measure the two small heads of ``imgkit curate``: not a photograph, and text or collage.

    python benchmarks/curate_heads.py --art FOLDER [--photos ../shared/photos] [--write]

FOLDER holds the unpacked Debian packages openclipart-png, wesnoth-1.16-data, supertux-data, lincity-ng-data,
oxygen-icon-theme and pingus-data (drawn), tuxpaint-stamps-default and mate-backgrounds (photographs): ``apt-get
download NAME; dpkg -x FILE FOLDER/NAME``. What is missing is left out. Pages, charts, covers and collages are made
here. Each kind is left out of the training once: the table says how well a kind that the head has never seen is told
from photographs it has never seen.
"""

import argparse
import io
import random
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont
from sklearn.metrics import roc_auc_score

from imgkit.curate.checks.heads import HEADS_FILE
from imgkit.vision.backbone import Backbone, load_backbone
from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.probe import fit_probe

mpl.use("Agg")

DRAWN = {
    "clip art": ("openclipart-png", ("animals", "people", "food", "plants", "recreation", "transportation"), 400),
    "painted figures": ("wesnoth-1.16-data", ("portraits",), 240),
    "game sprites": ("supertux-data", ("creatures", "background"), 220),
    "rendered buildings": ("lincity-ng-data", (), 200),
    "icons": ("oxygen-icon-theme", ("256x256",), 220),
    "game tiles": ("pingus-data", (), 150),
}
LANDSCAPES = "mate-backgrounds/usr/share/backgrounds/mate/nature"
CUT_OUTS = ("tuxpaint-stamps-default", ("animals",), 150)  # photographs on transparent ground: not drawn
TEXT = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were her all she there would their we him been has when who will more no if out so said what up its about "
    "into than them can only other new some could time these two may then do first any my now such like our over man "
    "species range habitat length scales venom colour bands red black yellow pattern figure table chapter review"
)
WORDS = TEXT.split()


def main() -> None:
    arguments = parse()
    chance = random.Random(arguments.seed)
    backbone = load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu")
    photographs = photographs_of(arguments.photos)
    if not photographs:
        sys.exit(f"skipped: no photographs in {arguments.photos}")
    for files in photographs.values():
        chance.shuffle(files)
    # one half is always learnt from, and is what covers and collages are made of; the other half is held back in turn
    anything = Shots([file for files in photographs.values() for file in files[0::2]][:600], chance)
    shots = {name: Shots(files[1::2], chance) for name, files in photographs.items()}
    cut_outs = list(cut(arguments.art, *CUT_OUTS, chance, anything))
    base = features(backbone, anything.used(chance), chance)
    photo_features = {name: features(backbone, shot.used(chance), chance) for name, shot in shots.items()}
    if cut_outs:
        photo_features["cut-outs"] = features(backbone, cut_outs, chance)
    if scenes := list(parts_of(arguments.art / LANDSCAPES, chance)):
        photo_features["landscapes"] = features(backbone, scenes, chance)
    drawn = {
        kind: features(backbone, cut(arguments.art, package, parts, count, chance, anything), chance)
        for kind, (package, parts, count) in DRAWN.items()
    }
    drawn = {kind: found for kind, found in drawn.items() if len(found)}
    written = {
        kind: features(backbone, (make(chance, anything) for _ in range(150)), chance) for kind, make in WRITTEN.items()
    }
    heads = {}
    for name, kinds in (("drawings", drawn), ("text", written)):
        print(f"\n{name}: AUC of each kind when the head has not seen it, against photographs it has not seen")
        areas = leave_one_out(kinds, photo_features, base)
        for kind, area in areas.items():
            print(f"  {kind:22s} {len(kinds[kind]):4d} pictures  AUC {area:.3f}")
        print(f"  {'mean':22s} {'':13s}  AUC {np.mean(list(areas.values())):.3f}")
        heads[name] = fit(kinds.values(), [base, *photo_features.values()])
        report_thresholds(heads[name], kinds, photo_features)
    if arguments.write:
        write(heads, backbone)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--art", type=Path, required=True)
    parser.add_argument("--photos", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "photos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"put the heads into {HEADS_FILE}")
    return parser.parse_args()


def photographs_of(root: Path) -> dict[str, list[Path]]:
    found = {
        "monkeys": sorted(root.glob("monkeys/*/*")),
        "bears": sorted(root.glob("bears_harvest/*/*.jp*g")),
        "many subjects": sorted(root.glob("offtopic/*")),
    }
    return {name: files for name, files in found.items() if files}


class Shots:
    """Photographs to look at and to paste into covers and collages."""

    def __init__(self, files: Sequence[Path], chance: random.Random) -> None:
        self.files = list(files)
        chance.shuffle(self.files)

    def used(self, chance: random.Random) -> Iterator[Image.Image]:
        """Yield photographs, some of them in a white frame."""
        for file in self.files[:600]:
            try:
                image = open_picture(file)
            except UnreadablePictureError:
                continue
            yield framed(image, chance) if chance.random() < 0.15 else image

    def any(self, chance: random.Random) -> Image.Image:
        """Return one by chance."""
        while True:
            try:
                return open_picture(chance.choice(self.files))
            except UnreadablePictureError:
                continue


def framed(image: Image.Image, chance: random.Random) -> Image.Image:
    """A photograph with a white frame stays a photograph."""
    edge = round(min(image.size) * chance.uniform(0.02, 0.15))
    board = Image.new("RGB", (image.width + 2 * edge, image.height + 2 * edge), "white")
    board.paste(image, (edge, edge))
    return board


def parts_of(folder: Path, chance: random.Random) -> Iterator[Image.Image]:
    """Cuttings of large photographs, from a close look to the whole."""
    for file in sorted(folder.rglob("*.jpg")):
        image = Image.open(file).convert("RGB")
        for _ in range(8):
            side = round(min(image.size) * chance.uniform(0.2, 1))
            left, top = chance.randrange(image.width - side + 1), chance.randrange(image.height - side + 1)
            yield image.crop((left, top, left + side, top + side))


def cut(
    art: Path, package: str, parts: Sequence[str], count: int, chance: random.Random, shots: Shots
) -> Iterator[Image.Image]:
    """Drawn pictures of a package, laid on white, colour, a gradient or a blurred photograph."""
    files = [
        file
        for file in sorted((art / package).rglob("*"))
        if file.suffix.lower() in (".png", ".webp", ".jpg") and (not parts or any(part in file.parts for part in parts))
    ]
    chance.shuffle(files)
    made = 0
    for file in files:
        try:
            image = Image.open(file)
            if not 72 <= min(image.size) <= max(image.size) <= 4000:
                continue
            image = image.convert("RGBA")
        except (OSError, Image.DecompressionBombWarning):
            continue
        if max(image.size) > 4 * min(image.size):
            continue
        if np.asarray(image.convert("L")).std() < 12:
            continue
        yield laid_on(image, chance, shots)
        made += 1
        if made == count:
            return


def laid_on(image: Image.Image, chance: random.Random, shots: Shots) -> Image.Image:
    scale = chance.uniform(200, 420) / max(image.size)
    image = image.resize((max(8, round(image.width * scale)), max(8, round(image.height * scale))))
    margin = chance.uniform(0, 0.25)
    size = (round(image.width * (1 + margin)), round(image.height * (1 + margin)))
    pick = chance.random()
    if pick < 0.4:
        ground = Image.new("RGB", size, "white")
    elif pick < 0.6:
        ground = Image.new("RGB", size, tuple(chance.randrange(256) for _ in range(3)))
    elif pick < 0.75:
        ground = Image.fromarray(
            np.asarray(Image.linear_gradient("L").resize(size).convert("RGB")) // chance.choice((1, 2))
        )
    else:
        ground = shots.any(chance).resize(size).filter(ImageFilter.GaussianBlur(chance.uniform(2, 14)))
    ground.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2), image)
    return ground


def features(backbone: Backbone, images: Iterator[Image.Image] | Sequence[Image.Image], chance: random.Random):
    """Features of pictures as a harvest leaves them: shrunk by chance, recompressed, some of them grey."""
    prepared, found = [], []
    for image in images:
        prepared.append(backbone.prepare(as_harvested(image.convert("RGB"), chance)))
        if len(prepared) == 32:
            found.append(backbone.features(np.stack(prepared)))
            prepared = []
    if prepared:
        found.append(backbone.features(np.stack(prepared)))
    return np.concatenate(found) if found else np.zeros((0, backbone.dimension), np.float32)


def as_harvested(image: Image.Image, chance: random.Random) -> Image.Image:
    image.thumbnail((500, 500))
    side = chance.uniform(110, 500)
    if side < max(image.size):
        image.thumbnail((side, side))
    if chance.random() < 0.05:
        image = ImageEnhance.Color(image).enhance(0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=chance.randrange(60, 95))
    return Image.open(buffer).convert("RGB")


FONTS = [path for path in font_manager.findSystemFonts() if path.lower().endswith((".ttf", ".otf"))]


def font(chance: random.Random, size: int) -> ImageFont.FreeTypeFont:
    plain = [path for path in FONTS if any(name in path for name in ("DejaVu", "Liberation", "Noto Sans", "Free"))]
    path = chance.choice(plain or FONTS or [font_manager.findfont("DejaVu Sans")])
    return ImageFont.truetype(path, size)


def sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words)).capitalize()


def page(chance: random.Random, shots: Shots) -> Image.Image:
    paper = tuple(chance.randrange(225, 256) for _ in range(3)) if chance.random() < 0.85 else (24, 26, 30)
    ink = (20, 20, 20) if paper[0] > 128 else (230, 230, 230)
    board = Image.new("RGB", (chance.randrange(380, 620), chance.randrange(420, 700)), paper)
    draw, y = ImageDraw.Draw(board), 24
    draw.text((24, y), sentence(chance, 4), ink, font(chance, chance.randrange(22, 40)))
    y += 60
    size = chance.randrange(10, 18)
    text = font(chance, size)
    while y < board.height - 40:
        for line in textwrap.wrap(sentence(chance, chance.randrange(20, 60)), round(board.width / size * 1.7)):
            draw.text((24, y), line, ink, text)
            y += round(1.35 * size)
        y += size
    return board


def chart(chance: random.Random, shots: Shots) -> Image.Image:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(chance.uniform(4, 6), chance.uniform(3, 5)), dpi=90)
    axes = figure.subplots()
    values = np.random.default_rng(chance.randrange(10**9)).normal(size=(3, 12)).cumsum(axis=1)
    kind = chance.choice(("lines", "bars", "points", "pie"))
    if kind == "lines":
        axes.plot(values.T)
    elif kind == "bars":
        axes.bar(range(12), np.abs(values[0]), color=f"C{chance.randrange(10)}")
    elif kind == "points":
        axes.scatter(values[0], values[1], c=values[2])
    else:
        axes.pie(np.abs(values[0][:5]) + 0.1, labels=[chance.choice(WORDS) for _ in range(5)])
    axes.set_title(sentence(chance, 5))
    axes.set_xlabel(chance.choice(WORDS))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def cover(chance: random.Random, shots: Shots) -> Image.Image:
    image = shots.any(chance).resize((360, chance.randrange(400, 540)))
    if chance.random() < 0.5:
        image = Image.blend(image, Image.new("RGB", image.size, chance.choice(("navy", "black", "maroon"))), 0.45)
    draw = ImageDraw.Draw(image)
    size = chance.randrange(34, 62)
    y = chance.choice((20, image.height // 3))
    for line in textwrap.wrap(sentence(chance, chance.randrange(3, 7)), 360 // size + 6):
        draw.text((18, y), line.upper(), chance.choice(("white", "yellow", "white")), font(chance, size))
        y += size + 6
    draw.text((18, image.height - 36), sentence(chance, 3), "white", font(chance, 20))
    return image


def poster(chance: random.Random, shots: Shots) -> Image.Image:
    """A photograph between bars of large text, as jokes and announcements have it."""
    image = shots.any(chance).resize((480, 340))
    bar = chance.randrange(60, 130)
    board = Image.new("RGB", (480, 340 + 2 * bar), chance.choice(("black", "white", "#20405f")))
    board.paste(image, (0, bar))
    ink = "black" if board.getpixel((1, 1)) == (255, 255, 255) else "white"
    draw = ImageDraw.Draw(board)
    for y in (12, 340 + bar + 10):
        for line in textwrap.wrap(sentence(chance, chance.randrange(4, 10)), 26)[: max(1, bar // 40)]:
            draw.text((14, y), line, ink, font(chance, 30))
            y += 36
    return board


def collage(chance: random.Random, shots: Shots) -> Image.Image:
    columns, rows = chance.choice(((2, 1), (2, 2), (3, 2), (3, 3), (1, 3)))
    cell, gap = 480 // max(columns, rows), chance.choice((0, 2, 6, 12))
    board = Image.new(
        "RGB", (columns * (cell + gap) + gap, rows * (cell + gap) + gap), chance.choice(("white", "black"))
    )
    for column in range(columns):
        for row in range(rows):
            board.paste(shots.any(chance).resize((cell, cell)), (gap + column * (cell + gap), gap + row * (cell + gap)))
    return board


def infographic(chance: random.Random, shots: Shots) -> Image.Image:
    tint = tuple(chance.randrange(190, 256) for _ in range(3))
    board = Image.new("RGB", (420, 600), tint)
    draw = ImageDraw.Draw(board)
    draw.rectangle((0, 0, 420, 70), tuple(chance.randrange(150) for _ in range(3)))
    draw.text((16, 16), sentence(chance, 3), "white", font(chance, 30))
    for row in range(3):
        y = 90 + 165 * row
        board.paste(shots.any(chance).resize((150, 130)), (16 if row % 2 else 250, y))
        for n, line in enumerate(textwrap.wrap(sentence(chance, 18), 24)[:6]):
            draw.text((190 if row % 2 else 16, y + 20 * n), line, (30, 30, 30), font(chance, 14))
    return board


WRITTEN: dict[str, Callable[[random.Random, Shots], Image.Image]] = {
    "pages of text": page,
    "charts": chart,
    "covers": cover,
    "posters": poster,
    "collages": collage,
    "infographics": infographic,
}


def leave_one_out(kinds, photographs, base) -> dict[str, float]:
    """AUC of each kind; with each kind one set of photographs is held back too, turn by turn."""
    areas = {}
    names = list(photographs)
    for kind, held in kinds.items():
        areas[kind] = float(
            np.mean(
                [
                    roc_auc_score(
                        [1] * len(held) + [0] * len(photographs[name]),
                        logits(
                            fit(
                                [each for other, each in kinds.items() if other != kind],
                                [base, *(each for other, each in photographs.items() if other != name)],
                            ),
                            np.concatenate([held, photographs[name]]),
                        ),
                    )
                    for name in names
                ]
            )
        )
    return areas


def fit(kinds, photographs):
    """(weights, bias) of a logistic regression: all kinds together against all photographs."""
    bad, good = np.concatenate(list(kinds)), np.concatenate(list(photographs))
    labels = ["0 photograph"] * len(good) + ["1 other"] * len(bad)
    probe = fit_probe(np.concatenate([good, bad]), labels, strength=0.01)
    return probe.weights[1] - probe.weights[0], float(probe.bias[1] - probe.bias[0])


def logits(head, found):
    weights, bias = head
    return found @ weights + bias


def report_thresholds(head, kinds, photographs) -> None:
    bad = np.concatenate([logits(head, each) for each in kinds.values()])
    for limit in (0.0, 1.0, 2.0, 3.0, 4.0):
        false = {name: float((logits(head, each) >= limit).mean()) for name, each in photographs.items()}
        print(
            f"  from {limit:3.1f}: {(bad >= limit).mean():6.1%} of what it was trained on; photographs "
            + ", ".join(f"{name} {share:.1%}" for name, share in false.items())
        )


def write(heads, backbone: Backbone) -> None:
    names = sorted(heads)
    np.savez(
        HEADS_FILE,
        names=np.array(names),
        weights=np.stack([heads[name][0] for name in names]).astype(np.float32),
        biases=np.array([heads[name][1] for name in names], np.float32),
        backbone=np.array(backbone.name),
    )
    print(f"\nwritten: {HEADS_FILE}, {HEADS_FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
