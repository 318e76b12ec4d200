"""Pictures to teach and to test the heads of curate with: photographs, and what a harvest brings instead of them.

Sources are folders of unpacked packages (see ``SOURCES``; Debian's by ``apt-get download NAME; dpkg -x FILE NAME``,
npm's by ``npm pack NAME`` and ``tar``, arcade's wheel by ``unzip``; the SVG files of openmoji drawn at 618 px by any
renderer) and photographs that lie beside the checkout. What lies in archives within packages is unpacked beside them:
``data.pk3`` of nexuiz-data in ``nexuiz-data/unpacked``, the level shots of openarena's in ``openarena/unpacked``, the
icons that the catalogues of sweethome3d-furniture name in its ``icons``, 700 bitmaps of the font of
fonts-noto-color-emoji in its ``png``, the campaigns of wesnoth in ``wesnoth-1.16-NAME``, by ``curate_heads.py`` the
resource files of gcompris-qt-data in ``gcompris-pictures``. What is missing is left out. The sources were looked at,
those of photographs picture by picture. Text, collages and stylised photographs are made here. Nothing of it is part of
the project: only weights are.
"""

import io
import random
import re
import struct
import textwrap
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from scipy import ndimage

from imgkit.vision.decode import UnreadablePictureError, open_picture

mpl.use("Agg")

Kind = Literal["photograph", "drawing", "render", "toy", "text"]


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures of one kind and one hand: ``pattern`` within the folder of the package, at most ``count`` of them."""

    name: str
    kind: Kind
    package: str
    pattern: str
    licence: str
    count: int = 150
    smallest: int = 72  # px of the shorter side
    inner: float = 1.0  # share of each side that is looked at, from the middle
    hand: str = ""  # sources of one hand are left out together; where it is empty, those of one package are
    without: str = ""  # files that were looked at and are of another kind
    parts: int = 0  # cuttings of each picture that count as others


KITS = (
    "{now-ui-kit-1.3.0,material-kit-2.0.4,paper-kit-2-2.1.0,argon-design-system-free-1.2.0,"
    "startbootstrap-agency-7.0.12,startbootstrap-creative-7.0.7}/**/*.jpg"
)
MADE_FOR_KITS = (
    "**/{computer-docs,landing,profile,blurred-image-1,logo-square,placeholder,startbootstrap-agency-7.0.12/**/portfolio/3,"
    "startbootstrap-agency-7.0.12/**/portfolio/5}.jpg"
)
STORIES = (
    "wesnoth-1.16-{data/usr/share/games/wesnoth/1.16/data/core/images/story/*.jpg,httt/**/story/*.jpg,"
    "trow/**/story/*.jpg,did/**/story/*.jpg,l/**/story/*.jpg,tsg/**/story/*.jpg,ttb/**/story/*.png}"
)
TABLER = "none stated in the package; the project that it belongs to is MIT"
SKIES = (
    "**/skycultures/{western,arabic_al-sufi,greek_farnese,babylonian_mulapin,egyptian_dendera,indian,maya,inuit,"
    "kamilaroi,dakota,ojibwe}/**/*.png"
)
SCENES = (
    "**/{acm,alien-arena,amoeba,antigravitattori,balazar*,battleball,billard-gl,boson,boswars,bouncy,briquolo,bzflag,"
    "chocolate-doom,chromium-bsu,csmash,egoboo,enemylines?,flightgear,foobillard,freedoom,fretsonfire-game,gl-117,glest,"
    "gltron,megaglest,netpanzer,pinball,pong2,pouetchess,rott,sabre,sauerbraten,scorched3d,simutrans,slingshot,"
    "sludge-engine,snowballz,space-orbit,stormbaancoureur,titanion,tomatoes,torcs,torus-trooper*,transcend,tremulous,"
    "trophy,tuxpuck,warsow,warzone2100,xmountains,xracer}.png"
)
SOURCES = (
    Source("clip art", "drawing", "openclipart-png", "**/{animals,people,food,plants}/**/*.png", "public domain", 300),
    Source("children's drawings", "drawing", "gcompris-pictures", "lang/**/*", "CC-BY-SA"),
    Source(
        "paintings",
        "drawing",
        "gcompris-pictures",
        "{paintings/whole/*,details/**/*Gogh*_background.webp,details/**/Eglise*_background.webp,details/**/*Tanguy_*ground.webp}",
        "public domain",
        without="paintings/whole/board13_0.png",
        parts=3,
    ),
    Source(
        "painted portraits",
        "drawing",
        "wesnoth-1.16-data",
        "**/portraits/**/*.png",
        "GPL-2+, CC-BY-SA-4.0",
        hand="wesnoth",
    ),
    Source("painted heroes", "drawing", "flare-game", "**/portraits/*.png", "CC-BY-SA-3.0"),
    Source("colouring pages", "drawing", "tuxpaint-data", "**/starters/*.png", "GPL-2+"),
    Source("icons", "drawing", "oxygen-icon-theme", "**/256x256/**/*.png", "LGPL-3", 120),
    Source("game sprites", "drawing", "supertux-data", "**/{creatures,background}/**/*.png", "GPL-3+, CC-BY-SA"),
    Source("game tiles", "drawing", "pingus-data", "**/*.png", "GPL-2+", 100),
    Source("cartoon game", "drawing", "hedgewars-data", "**/Themes/**/*.png", "GPL-2+, GFDL"),
    Source("flat emoji", "drawing", "openmoji-17.0.0", "**/color/618x618/*.png", "CC-BY-SA-4.0", 150, 300),
    Source("painting program", "drawing", "scratch", "**/Costumes/**/*", "CC-BY-SA-2.0", 150, 60),
    Source("painted stories", "drawing", ".", STORIES, "GPL-2+, CC-BY-SA-4.0", 100, 140, hand="wesnoth"),
    Source("old masters", "drawing", "freecol", "**/foundingFathers/*", "public domain", 50, 120, 0.6),
    Source("star lore", "drawing", "stellarium-data", SKIES, "GPL-2+", 150, 100),
    Source("space portraits", "drawing", "naev-data", "**/portraits/**/*.*", "GPL-3, CC-BY-SA-3.0", 100, 100),
    Source("school cartoons", "drawing", "pysiogame", "**/art4apps/**/*.*", "GPL-3+", 200),
    Source("ink emblems", "drawing", "freeorion-data", "**/icons/{tech,tech/unused}/*.png", "CC-BY-SA-3.0", 100),
    Source("colonists", "drawing", "freecol", "**/default/**/units/**/*.png", "GPL-2+", 45),
    Source("fantasy gear", "drawing", "ardentryst", "**/{InvItems,NPCs/Faces}/*.png", "GPL-3+, CC-BY-SA-3.0", 70),
    Source(
        "platform figures",
        "drawing",
        "arcade-3.3.3",
        "**/images/{animated_characters/*,enemies,alien}/*.png",
        "MIT, CC0",
        60,
    ),
    Source("round emoji", "drawing", "fonts-noto-color-emoji", "png/*.png", "OFL-1.1, Apache-2.0", 150),
    Source("office people", "drawing", "tabler-preview-1.2.0", "**/static/illustrations/*/*.png", TABLER, 120),
    Source("maps", "drawing", "kgeography-data", "usr/share/kgeography/*.png", "GPL-2+", 80),
    Source("dungeon titles", "drawing", "crawl-tiles-data", "**/title_*.png", "GPL-2+, CC0"),
    Source("isometric town", "render", "lincity-ng-data", "**/*.png", "GPL-2+", 120),
    Source("isometric islands", "render", "unknown-horizons", "**/gfx/**/45/*.png", "GPL-2+, CC-BY-SA", 120),
    Source("ray-traced scenes", "render", "povray-examples", "**/*.jpg", "CC-BY-SA-3.0", 180, 110),
    Source("rolling ball", "render", "neverball-data", "**/shot-*/*.jpg", "GPL-2+", 100),
    Source("scenes of games", "render", "games-thumbnails", SCENES, "as the games, free", 150, 110),
    Source(
        "windows of games", "drawing", "games-thumbnails", "**/*.png", "as the games, free", 150, 110, without=SCENES
    ),
    Source("furniture", "render", "sweethome3d-furniture", "icons/*.png", "CC-BY-3.0, CC0", 250),
    Source("space ships", "render", "endless-sky-data", "**/images/{ship,outfit}/*.*", "CC-BY-SA-4.0, GPL-3+", 200),
    Source("space machines", "render", "naev-data", "**/{outfit/store,planet/exterior}/[!u]*.*", "GPL-3+, GPL-2+, PD"),
    Source("robots and tools", "render", "freedroidrpg-data", "**/portrait_0001.jpg", "GPL-2+"),
    Source("ray-traced fractals", "render", "mandelbulber2-data", "**/formula/img/*.png", "GPL-3+", 100),
    Source(
        "log cabins",
        "render",
        "widelands-data",
        "**/tribes/buildings/**/{idle,unoccupied,working}_00.png",
        "GPL-2+",
        45,
    ),
    Source("colonial houses", "render", "freecol", "**/default/**/{buildings,settlements}/[!d]*.png", "GPL-2+", 60),
    Source(
        "asteroid hulls", "render", "freeorion-data", "**/{hulls_design,icons/ship_hulls}/*.png", "CC-BY-SA-3.0", 80
    ),
    Source(
        "shooter halls",
        "render",
        ".",
        "{nexuiz-data/unpacked/maps,openarena/unpacked/levelshots}/*",
        "GPL-2+",
        100,
        100,
        hand="shooters",
    ),
    Source("arenas", "render", "redeclipse-data", "**/maps/*.png", "CC-BY-SA-3.0", without="**/{relax,escape}.png"),
    Source("race tracks", "render", "supertuxkart-data", "**/tracks/*/*screenshot*.*", "GPL-3+, CC-BY-SA"),
    Source("snow slopes", "render", "extremetuxracer-data", "**/courses/**/preview.*", "GPL-2+"),
    Source("plastic emoji", "toy", "lobehub-fluent-emoji-3d-1.1.0", "**/*.webp", "MIT", 250),
    Source(
        "stamps",
        "photograph",
        "tuxpaint-stamps-default",
        "**/{mammals,birds,fruit,insects,flowers}/*.png",
        "GPL-2+",
        without="**/{bee,hedgehog}.png",
    ),
    Source("stock", "photograph", ".", KITS, "MIT kits with Unsplash photographs", without=MADE_FOR_KITS),
    Source(
        "places",
        "photograph",
        "scratch",
        "**/{Outdoors,Nature}/*.jpg",
        "CC-BY-SA-2.0",
        without="**/{woods-and-bench,brick-wall1,school2}.jpg",
    ),
    Source("laboratory", "photograph", "kalzium-data", "**/toolpics/*.jpg", "GPL-2+"),
    Source(
        "things and places", "photograph", "gcompris-pictures", "{categorization,explore_*,erase}/**/*", "CC-BY-SA", 260
    ),
    Source("products", "photograph", "vendure-create-3.7.3", "**/*.jpg", "GPL-3 with Unsplash photographs", 60),
    Source(
        "desks and wares",
        "photograph",
        "tabler-preview-1.2.0",
        "**/static/{photos/*,products/product-*}",
        TABLER,
        100,
        hand="tabler",
    ),
    Source("wild lands", "photograph", "endless-sky-data", "**/images/land/*.jpg", "CC-BY-SA-4.0, public domain"),
    Source(
        "people and vistas",
        "photograph",
        "tabler-ui-0.0.34",
        "dist/demo/{faces/*/*,photos/*-500}.jpg",
        "MIT",
        120,
        hand="tabler",
    ),
    Source("landscapes", "photograph", "mate-backgrounds", "**/nature/*.jpg", "GPL-2+, CC-BY-SA", 120),
)
"""Where pictures come from, with the licences that the packages state. Only weights are made from them."""

TEXT = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were her all she there would their we him been has when who will more no if out so said what up its about "
    "into than them can only other new some could time these two may then do first any my now such like our over man "
    "species range habitat length scales venom colour bands red black yellow pattern figure table chapter review"
)
WORDS = TEXT.split()
CUTTINGS = 6  # of each large landscape


class Shots:
    """Photographs to look at, and to make covers, collages and stylised pictures of."""

    def __init__(self, files: Sequence[Path], chance: random.Random) -> None:
        self.files = list(files)
        chance.shuffle(self.files)

    def any(self, chance: random.Random) -> Image.Image:
        """Return one by chance."""
        while True:
            try:
                return open_picture(chance.choice(self.files))
            except UnreadablePictureError:
                continue

    def used(self, count: int) -> Iterator[Image.Image]:
        """Yield the first photographs, each once."""
        for file in self.files[:count]:
            try:
                yield open_picture(file)
            except UnreadablePictureError:
                continue


def files_of(source: Source, art: Path) -> list[Path]:
    """Return the files of a source in a fixed order."""
    folder = art / source.package
    found = matching(folder, source.pattern) - matching(folder, source.without)
    return sorted(file for file in found if file.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg", ".gif"))


def matching(folder: Path, pattern: str) -> set[Path]:
    """Return what a pattern with at most one {a,b} finds; an empty one finds nothing."""
    return {file for each in alternatives(pattern) for file in folder.glob(each)} if pattern else set()


def alternatives(pattern: str) -> list[str]:
    """Return the patterns that a pattern with one {a,b} stands for."""
    if "{" not in pattern:
        return [pattern]
    before, rest = pattern.split("{", 1)
    inside, after = rest.split("}", 1)
    return [before + each + after for each in inside.split(",")]


def pictures_of(source: Source, art: Path, shots: Shots, chance: random.Random) -> Iterator[Image.Image]:
    """Yield the pictures of a source; those on transparent ground are laid on something."""
    files = files_of(source, art)
    chance.shuffle(files)
    made, seen = 0, set()
    for file in files:
        content = file.read_bytes()
        if content in seen:
            continue
        seen.add(content)
        try:
            with Image.open(file) as opened:
                if not source.smallest <= min(opened.size) <= max(opened.size) <= min(8000, 4 * min(opened.size)):
                    continue
                clear = opened.mode in ("RGBA", "LA", "P", "PA")
                image = opened.convert("RGBA")
        except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            continue
        image = ImageOps.crop(image, round(min(image.size) * (1 - source.inner) / 2)) if source.inner < 1 else image
        if np.asarray(image.convert("L")).std() < 12 and np.asarray(image.getchannel("A")).std() < 12:
            continue
        if clear and np.asarray(image.getchannel("A")).min() < 250:
            picture = laid_on(image, chance, None if source.kind == "photograph" else shots)
        else:
            picture = image.convert("RGB")
        for part in parts_of(picture, source, chance):
            yield part
            made += 1
        if made >= source.count:
            return


def parts_of(picture: Image.Image, source: Source, chance: random.Random) -> Iterator[Image.Image]:
    """Yield a picture and its ``parts``, or cuttings of a large photograph; those that show next to nothing are not."""
    if source.kind == "photograph" and min(picture.size) > 1000:
        parts = [cutting(picture, chance, 0.2) for _ in range(CUTTINGS)]
    else:
        parts = [picture, *(cutting(picture, chance, 0.5) for _ in range(source.parts))]
    yield from (part for part in parts if len(parts) == 1 or np.asarray(part.convert("L")).std() >= 12)


def cutting(image: Image.Image, chance: random.Random, least: float) -> Image.Image:
    """A square part of a picture, of at least this share of the shorter side."""
    side = round(min(image.size) * chance.uniform(least, 1))
    left, top = chance.randrange(image.width - side + 1), chance.randrange(image.height - side + 1)
    return image.crop((left, top, left + side, top + side))


def published(image: Image.Image, chance: random.Random) -> Image.Image:
    """Return a picture cut out, framed or signed, as pages show some: what is done to all kinds alike tells nothing."""
    image, way = image.convert("RGB"), chance.random()
    if way < 0.4:
        return cut_out(image, chance)
    if way < 0.7:
        edge = round(min(image.size) * chance.uniform(0.02, 0.12))
        return ImageOps.expand(image, edge, chance.choice(("white", "white", "black", "#dddddd")))
    size = max(9, round(min(image.size) * chance.uniform(0.03, 0.07)))
    place = (chance.uniform(0.02, 0.5) * image.width, image.height - 1.6 * size)
    words = chance.choice(("©", "", "Photo: ")) + sentence(chance, chance.randrange(1, 4))
    signed = image.copy()
    ImageDraw.Draw(signed).text(place, words, chance.choice(("white", "black", "yellow")), font(chance, size))
    return signed


def cut_out(image: Image.Image, chance: random.Random) -> Image.Image:
    """A rounded part of a photograph on a plain or shaded ground, as shops and encyclopedias have it."""
    image = ImageOps.fit(image, (round(400 * chance.uniform(0.7, 1.0)), 400)) if min(image.size) > 60 else image
    corners = [
        (image.width * (0.5 + 0.5 * reach * np.cos(turn)), image.height * (0.5 + 0.5 * reach * np.sin(turn)))
        for turn in np.linspace(0, 2 * np.pi, 24, endpoint=False)
        for reach in (chance.uniform(0.55, 1.0),)
    ]
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(12)).point(lambda value: 255 if value > 127 else 0)
    mask = mask.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 2)))
    pick = chance.random()
    if pick < 0.5:
        ground = Image.new("RGB", image.size, "white")
    elif pick < 0.8:
        ground = Image.new("RGB", image.size, colour(chance, 0, 256))
    else:
        shade = np.asarray(Image.linear_gradient("L").resize(image.size).convert("RGB")) // chance.choice((1, 2))
        ground = Image.fromarray(shade)
    ground.paste(image, (0, 0), mask)
    edge = round(min(image.size) * chance.uniform(0, 0.15))
    return ImageOps.expand(ground, edge, ground.getpixel((0, 0)))


def laid_on(image: Image.Image, chance: random.Random, shots: Shots | None) -> Image.Image:
    """A cut-out on white, colour, a gradient or a blurred photograph; without ``shots`` on white or a light colour."""
    scale = chance.uniform(200, 420) / max(image.size)
    image = image.resize((max(8, round(image.width * scale)), max(8, round(image.height * scale))))
    margin = chance.uniform(0, 0.25)
    size = (round(image.width * (1 + margin)), round(image.height * (1 + margin)))
    pick = chance.random()
    if pick < 0.4 or (shots is None and pick < 0.7):
        ground = Image.new("RGB", size, "white")
    elif shots is None:
        ground = Image.new("RGB", size, colour(chance, 150, 256))
    elif pick < 0.6:
        ground = Image.new("RGB", size, colour(chance, 0, 256))
    elif pick < 0.75:
        shade = np.asarray(Image.linear_gradient("L").resize(size).convert("RGB")) // chance.choice((1, 2))
        ground = Image.fromarray(shade)
    else:
        ground = shots.any(chance).resize(size).filter(ImageFilter.GaussianBlur(chance.uniform(2, 14)))
    ground.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2), image)
    return ground


def as_harvested(image: Image.Image, chance: random.Random) -> bytes:
    """Return a JPEG as a harvest leaves it: shrunk by chance, recompressed, some of them grey, some of them soft."""
    image = image.convert("RGB")
    image.thumbnail((500, 500))
    side = chance.uniform(140, 640)
    if side < max(image.size):
        image.thumbnail((side, side))
    if chance.random() < 0.05:
        image = ImageEnhance.Color(image).enhance(0)
    if chance.random() < 0.1:
        image = image.filter(ImageFilter.GaussianBlur(chance.uniform(0.4, 1.2)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=chance.randrange(55, 96))
    return buffer.getvalue()


FONTS = sorted(path for path in font_manager.findSystemFonts() if path.lower().endswith((".ttf", ".otf")))


def font(chance: random.Random, size: int) -> ImageFont.FreeTypeFont:
    plain = [path for path in FONTS if any(name in path for name in ("DejaVu", "Liberation", "Noto Sans", "Free"))]
    return ImageFont.truetype(chance.choice(plain or FONTS or [font_manager.findfont("DejaVu Sans")]), size)


def sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words)).capitalize()


def colour(chance: random.Random, low: int, high: int) -> tuple[int, int, int]:
    return chance.randrange(low, high), chance.randrange(low, high), chance.randrange(low, high)


# --- text and collages, made of words and photographs


def page(chance: random.Random, shots: Shots) -> Image.Image:
    paper = colour(chance, 225, 256) if chance.random() < 0.85 else (24, 26, 30)
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
    image = ImageOps.fit(shots.any(chance), (360, chance.randrange(400, 540)))
    if chance.random() < 0.5:
        image = Image.blend(image, Image.new("RGB", image.size, chance.choice(("navy", "black", "maroon"))), 0.45)
    draw = ImageDraw.Draw(image)
    size = chance.randrange(34, 62)
    y = chance.choice((20, image.height // 3))
    ink = chance.choice(("white", "yellow", "white", "#ffe0a0"))
    for line in textwrap.wrap(sentence(chance, chance.randrange(3, 7)), 360 // size + 6):
        draw.text((18, y), line.upper(), ink, font(chance, size))
        y += size + 6
    draw.text((18, image.height - 36), sentence(chance, 3), "white", font(chance, 20))
    return image


def poster(chance: random.Random, shots: Shots) -> Image.Image:
    """A photograph between bars of large text, as jokes and announcements have it."""
    image = ImageOps.fit(shots.any(chance), (480, 340))
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


def joke(chance: random.Random, shots: Shots) -> Image.Image:
    """Outlined capitals across a photograph."""
    image = shots.any(chance)
    image = image.resize((460, round(460 * image.height / image.width)))
    draw = ImageDraw.Draw(image)
    for y in (8, image.height - 92):
        for line in textwrap.wrap(sentence(chance, chance.randrange(4, 9)).upper(), 20)[:2]:
            draw.text((20, y), line, "white", font(chance, 36), stroke_width=3, stroke_fill="black")
            y += 42
    return image


def collage(chance: random.Random, shots: Shots) -> Image.Image:
    columns, rows = chance.choice(((2, 1), (2, 2), (3, 2), (3, 3), (1, 3), (1, 2)))
    cell, gap = 480 // max(columns, rows), chance.choice((0, 2, 6, 12))
    size = (columns * (cell + gap) + gap, rows * (cell + gap) + gap)
    board = Image.new("RGB", size, chance.choice(("white", "black")))
    for column in range(columns):
        for row in range(rows):
            part = ImageOps.fit(shots.any(chance), (cell, cell))
            board.paste(part, (gap + column * (cell + gap), gap + row * (cell + gap)))
    return board


def infographic(chance: random.Random, shots: Shots) -> Image.Image:
    board = Image.new("RGB", (420, 600), colour(chance, 190, 256))
    draw = ImageDraw.Draw(board)
    draw.rectangle((0, 0, 420, 70), colour(chance, 0, 150))
    draw.text((16, 16), sentence(chance, 3), "white", font(chance, 30))
    for row in range(3):
        y = 90 + 165 * row
        board.paste(ImageOps.fit(shots.any(chance), (150, 130)), (16 if row % 2 else 250, y))
        for n, line in enumerate(textwrap.wrap(sentence(chance, 18), 24)[:6]):
            draw.text((190 if row % 2 else 16, y + 20 * n), line, (30, 30, 30), font(chance, 14))
    return board


def screen(chance: random.Random, shots: Shots) -> Image.Image:
    """A web page or a shop with a menu, headings, and photographs in boxes."""
    wide, high = chance.choice(((640, 420), (420, 640), (560, 460)))
    paper, bar = ("white", colour(chance, 0, 130)) if chance.random() < 0.8 else ("#202124", (60, 60, 70))
    ink = "#222222" if paper == "white" else "#dddddd"
    board = Image.new("RGB", (wide, high), paper)
    draw = ImageDraw.Draw(board)
    draw.rectangle((0, 0, wide, 40), bar)
    draw.text((12, 8), sentence(chance, 2), "white", font(chance, 20))
    for n in range(4):
        draw.text((wide - 60 * (4 - n), 12), chance.choice(WORDS), "white", font(chance, 12))
    across = chance.choice((1, 2, 3))
    side = (wide - 20) // across
    y = 56
    while y < high - 60:
        for column in range(across):
            x = 12 + column * side
            board.paste(ImageOps.fit(shots.any(chance), (side - 14, round(side * 0.6))), (x, y))
            lines = textwrap.wrap(sentence(chance, 9), max(10, side // 8))[:3]
            for n, line in enumerate(lines):
                draw.text((x, y + round(side * 0.6) + 4 + 16 * n), line, ink, font(chance, 12))
        y += round(side * 0.6) + 66
    return board


def label_card(chance: random.Random, shots: Shots) -> Image.Image:
    """A plate of a field guide: a framed photograph on paper with a title and notes."""
    board = Image.new("RGB", (500, 400), colour(chance, 215, 256))
    draw = ImageDraw.Draw(board)
    board.paste(ImageOps.fit(shots.any(chance), (260, 200)), (120, 60))
    draw.rectangle((119, 59, 380, 260), outline="black", width=2)
    draw.text((120, 14), sentence(chance, 3), "black", font(chance, 28))
    for n, line in enumerate(textwrap.wrap(sentence(chance, 40), 60)[:6]):
        draw.text((30, 276 + 19 * n), line, "black", font(chance, 14))
    for x, y in ((20, 90), (20, 190), (400, 110), (400, 220)):
        draw.text((x, y), chance.choice(WORDS), "darkred", font(chance, 16))
        draw.line((x + 50 if x < 100 else x, y + 10, 250, 160), "darkred", 1)
    return board


# --- photographs turned into drawings, so that the subject tells nothing


def pencil(chance: random.Random, shots: Shots) -> Image.Image:
    """Grey divided by its blurred negative: the outlines of a pencil."""
    image = larger(shots.any(chance))
    grey = np.asarray(image.convert("L")).astype(np.float32)
    soft = ndimage.gaussian_filter(255 - grey, chance.uniform(2, 7))
    drawn = np.clip(grey * 255 / np.maximum(255 - soft, 1), 0, 255)
    result = Image.fromarray(drawn.astype(np.uint8)).convert("RGB")
    if chance.random() < 0.4:
        result = Image.blend(result, image, chance.uniform(0.2, 0.45))
    return result


def cartoon(chance: random.Random, shots: Shots) -> Image.Image:
    """Few flat colours with dark outlines."""
    image = larger(shots.any(chance))
    flat = image
    for _ in range(3):
        flat = flat.filter(ImageFilter.MedianFilter(5))
    flat = (
        flat.quantize(chance.randrange(6, 16), dither=Image.Dither.NONE)
        .convert("RGB")
        .filter(ImageFilter.ModeFilter(5))
    )
    flat = ImageEnhance.Color(flat).enhance(chance.uniform(1.0, 2.0))
    grey = ndimage.gaussian_filter(np.asarray(image.convert("L")).astype(np.float32), 1.5)
    edges = ndimage.gaussian_gradient_magnitude(grey, 1.0)
    ink = edges > np.percentile(edges, chance.uniform(88, 96))
    pixels = np.asarray(flat).copy()
    if chance.random() < 0.8:
        pixels[ink] = 20
    return Image.fromarray(pixels)


def oil(chance: random.Random, shots: Shots) -> Image.Image:
    """Each pixel takes the mean of the calmest of four windows round it (Kuwahara): brush strokes."""
    image = larger(shots.any(chance))
    pixels = np.asarray(image).astype(np.float32)
    radius = chance.randrange(3, 7)
    size = radius + 1
    grey = pixels.mean(axis=2)
    mean = np.stack([ndimage.uniform_filter(pixels[..., c], size) for c in range(3)], axis=2)
    variance = ndimage.uniform_filter(grey**2, size) - ndimage.uniform_filter(grey, size) ** 2
    half = size // 2
    moves = [(-half, -half), (-half, half), (half, -half), (half, half)]
    calm = np.stack([np.roll(variance, move, (0, 1)) for move in moves]).argmin(axis=0)
    means = np.stack([np.roll(mean, move, (0, 1)) for move in moves])
    painted = np.take_along_axis(means, calm[None, ..., None], axis=0)[0]
    result = Image.fromarray(np.clip(painted, 0, 255).astype(np.uint8))
    return ImageEnhance.Color(result).enhance(chance.uniform(0.9, 1.5))


def engraving(chance: random.Random, shots: Shots) -> Image.Image:
    """Lines whose width follows the tone, on paper: an old plate or a halftone print."""
    image = ImageOps.autocontrast(larger(shots.any(chance)).convert("L"))
    grey = ndimage.gaussian_filter(np.asarray(image).astype(np.float32), 1) / 255
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    angle, period = chance.uniform(0, np.pi), chance.uniform(4, 8)
    wave = np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period) * 0.5 + 0.5
    if chance.random() < 0.4:
        wave = (wave + np.sin(2 * np.pi * (rows * np.cos(angle) - columns * np.sin(angle)) / period) * 0.5 + 0.5) / 2
    ink = np.clip((grey - wave) * 6 + 0.5, 0, 1)[..., None]
    paper, black = np.array(colour(chance, 215, 256)), np.array(colour(chance, 0, 50))
    return Image.fromarray((ink * paper + (1 - ink) * black).astype(np.uint8))


def larger(image: Image.Image) -> Image.Image:
    scale = 420 / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


MADE: dict[str, tuple[Kind, Callable[[random.Random, Shots], Image.Image]]] = {
    "pencil of photographs": ("drawing", pencil),
    "cartoons of photographs": ("drawing", cartoon),
    "oil of photographs": ("drawing", oil),
    "engravings of photographs": ("drawing", engraving),
    "pages of text": ("text", page),
    "charts": ("text", chart),
    "covers": ("text", cover),
    "posters": ("text", poster),
    "jokes": ("text", joke),
    "collages": ("text", collage),
    "infographics": ("text", infographic),
    "screens": ("text", screen),
    "plates": ("text", label_card),
}
"""What is made here: name to kind and maker."""

MADE_COUNT = 130


def unpack_resources(folder: Path, target: Path) -> None:
    """Write the pictures inside gcompris' resource files (.rcc) as files, and its paintings put together."""
    for file in sorted(folder.glob("**/*.rcc")):
        inside = {path.removeprefix("/gcompris/src/activities/"): body for path, body in resources(file.read_bytes())}
        for path, body in inside.items():
            if path.endswith((".jpg", ".png", ".webp")):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).write_bytes(body)
        if file.stem == "paintings":
            (target / "paintings" / "whole").mkdir(parents=True, exist_ok=True)
            for path, body in inside.items():
                if "/board/" in path:
                    put_together(body.decode(), inside).save(target / "paintings" / "whole" / f"{Path(path).stem}.png")


def resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file in a compiled resource of Qt (https://doc.qt.io/qt-6/resources.html)."""
    version, tree, contents, names = struct.unpack(">4I", data[4:20])
    size = 22 if version >= 2 else 14

    def below(number: int, folder: str) -> Iterator[tuple[str, bytes]]:
        at = tree + number * size
        name_at, flags, first, second = struct.unpack(">IHII", data[at : at + 14])
        length = struct.unpack(">H", data[names + name_at : names + name_at + 2])[0]
        name = data[names + name_at + 6 : names + name_at + 6 + 2 * length].decode("utf-16-be")
        path = f"{folder}/{name}" if number else ""
        if flags & 2:  # a folder: so many, from there
            for child in range(second, second + first):
                yield from below(child, path)
        else:
            start = contents + second
            body = data[start + 4 : start + 4 + struct.unpack(">I", data[start : start + 4])[0]]
            yield path, zlib.decompress(body[4:]) if flags & 1 else body

    yield from below(0, "")


def put_together(board: str, inside: dict[str, bytes]) -> Image.Image:
    """Lay the pieces of a puzzle where its board says that their middles belong."""
    width, height = (int(found) for found in re.search(r'"width"\s*:\s*(\d+),\s*"height"\s*:\s*(\d+)', board).groups())
    whole = Image.new("RGBA", (width, height))
    pieces = re.findall(r'"pixmapfile"\s*:\s*"([^"]+\.webp)",\s*"x"\s*:\s*"([\d.]+)",\s*"y"\s*:\s*"([\d.]+)"', board)
    for name, across, down in pieces:
        with Image.open(io.BytesIO(inside[f"paintings/resource/{name}"])) as opened:
            piece = opened.convert("RGBA")
        whole.alpha_composite(
            piece,
            tuple(
                max(0, round(share * side - half / 2))
                for share, side, half in ((float(across), width, piece.width), (float(down), height, piece.height))
            ),
        )
    return whole.crop(whole.getbbox()).convert("RGB")  # the seams are not quite opaque
