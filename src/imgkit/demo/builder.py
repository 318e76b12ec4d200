"""Compose a world picture by picture."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from imgkit.demo.world import Drawing, Host, Kind, Listing, Picture, Topic, World

ROBOTS = "User-agent: *\nDisallow: /private/\n"
CORAL, KING = "coral_snake", "king_snake"
SNAKES = (
    Topic(
        label=CORAL,
        phrases=("coral snake", "micrurus fulvius", "micrurus"),
        scientific_name="Micrurus fulvius",
        common_name="Eastern Coralsnake",
        taxon_id=27137,
    ),
    Topic(
        label=KING,
        phrases=("king snake", "kingsnake", "milk snake", "lampropeltis elapsoides", "lampropeltis"),
        scientific_name="Lampropeltis elapsoides",
        common_name="Scarlet Kingsnake",
        taxon_id=29304,
    ),
)
TITLES = {CORAL: "Coral snake, Micrurus fulvius", KING: "Scarlet king snake, Lampropeltis elapsoides"}
ONLOOKERS_TITLE = "Banded snake beside the trail"
"""For pictures under the wrong label: a title that no excluded word gives away."""


class WorldBuilder:
    """Collects pictures and gives each a rank: the order of adding is the order of every provider's answer.

    Args:
        topics: labels and the phrases that find them.
        hosts: image hosts; pictures are spread over them in turn.
        size: width and height in px of drawings that do not say otherwise.
        seed: of the world; the drawings' seeds follow from it.
    """

    def __init__(
        self,
        *,
        topics: Sequence[Topic] = SNAKES,
        hosts: Sequence[Host] = (Host(name="photos", robots=ROBOTS), Host(name="archive", robots=ROBOTS)),
        size: tuple[int, int] = (320, 240),
        seed: int = 0,
    ) -> None:
        self.topics = tuple(topics)
        self.hosts = tuple(hosts)
        self.size = size
        self.seed = seed
        self._pictures: list[Picture] = []
        self._ranks: Counter[tuple[str, str]] = Counter()
        self._numbers: Counter[str] = Counter()
        self._listed: Counter[str] = Counter()

    def add(
        self,
        label: str,
        *,
        kind: Kind = "good",
        shows: str | None = None,
        providers: Sequence[str] = ("bing",),
        phrases: Sequence[str] = (),
        fault: str = "",
        host: str = "",
        id: str = "",
        drawing: Drawing | None = None,
        copy_of: str = "",
        title: str = "",
        tags: Sequence[str] = (),
        license: str = "by",
        group: str = "",
    ) -> Picture:
        """Add a picture listed under ``label``, showing ``shows`` (the label itself unless it says otherwise)."""
        shown = label if shows is None else shows
        id = id or self._next_id(label if kind == "good" else kind)
        picture = Picture(
            id=id,
            kind=kind,
            label=shown,
            listed_as=label,
            drawing=drawing or self.drawing(shown or "chart"),
            host=host or self._next_host(label),
            path="",
            listings=tuple(
                Listing(provider=name, rank=self._rank(name, label), phrases=tuple(phrases)) for name in providers
            ),
            fault=fault,
            copy_of=copy_of,
            title=title or (TITLES.get(label, label) if shown == label else ONLOOKERS_TITLE),
            tags=tuple(tags),
            license=license,
            group=group,
        )
        self._pictures.append(replace(picture, path=_path(picture)))
        return self._pictures[-1]

    def drawing(self, subject: str, *, size: tuple[int, int] | None = None) -> Drawing:
        """Return a drawing that no other picture of this world has."""
        width, height = size or self.size
        return Drawing(subject=subject, seed=self.seed * 100_000 + len(self._pictures) + 1, width=width, height=height)

    def exact_copy(self, of: Picture, *, providers: Sequence[str] = ("bing",), listed_as: str = "") -> Picture:
        """Add another address with the same bytes."""
        label = listed_as or of.listed_as
        return self.add(
            label, kind="exact_copy", shows=of.label, providers=providers, drawing=of.drawing, copy_of=of.id
        )

    def near_copy(
        self, of: Picture, change: str, *, providers: Sequence[str] = ("bing",), listed_as: str = ""
    ) -> Picture:
        """Add a changed copy: see ``CHANGES`` in :mod:`imgkit.demo.copies`."""
        label = listed_as or of.listed_as
        drawing = replace(of.drawing, change=change)
        return self.add(label, kind="near_copy", shows=of.label, providers=providers, drawing=drawing, copy_of=of.id)

    def build(self) -> World:
        """Return the world."""
        return World(topics=self.topics, hosts=self.hosts, pictures=tuple(self._pictures), seed=self.seed)

    def _rank(self, provider: str, label: str) -> int:
        self._ranks[provider, label] += 1
        return self._ranks[provider, label]

    def _next_host(self, label: str) -> str:
        self._listed[label] += 1
        return self.hosts[self._listed[label] % len(self.hosts)].name

    def _next_id(self, stem: str) -> str:
        self._numbers[stem] += 1
        return f"{stem}-{self._numbers[stem]:03d}"


def _path(picture: Picture) -> str:
    if any(listing.provider in ("inaturalist", "gbif") for listing in picture.listings):
        return f"/photos/{picture.number}/original.jpg"
    return f"/pictures/{picture.id}.jpg"
