"""Compose a world picture by picture."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imgkit.demo.world import Drawing, Host, Kind, SearchListing, Topic, World, WorldPicture

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
    """Collects pictures; the order of adding is the order of every provider's answer.

    Args:
        topics: labels and the phrases that find them.
        hosts: image hosts.
        spread: over how many of the hosts the pictures of a label are spread in turn; None: over all.
        size: width and height in px of drawings that do not say otherwise.
        seed: of the world; the drawings' seeds follow from it.
    """

    def __init__(
        self,
        *,
        topics: Sequence[Topic] = SNAKES,
        hosts: Sequence[Host] = (Host(name="photos", robots=ROBOTS), Host(name="archive", robots=ROBOTS)),
        spread: int | None = None,
        size: tuple[int, int] = (320, 240),
        seed: int = 0,
    ) -> None:
        self.topics = tuple(topics)
        self.hosts = tuple(hosts)
        self.spread = spread or len(hosts)
        self.size = size
        self.seed = seed
        self._pictures: list[WorldPicture] = []
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
        author: str = "Ada Example",
        license: str = "by",
        group: str = "",
    ) -> WorldPicture:
        """Add a picture listed under ``label``, showing ``shows``: the label itself unless it says otherwise.

        Returns:
            the picture, as in the world but for its ranks, which ``build`` gives.
        """
        shown = label if shows is None else shows
        picture = WorldPicture(
            id=id or self._next_id(label if kind == "good" else kind),
            kind=kind,
            label=shown,
            listed_as=label,
            drawing=drawing or self.drawing(shown or "chart"),
            host=host or self._next_host(label),
            path="",
            listings=tuple(SearchListing(provider=name, rank=0, phrases=tuple(phrases)) for name in providers),
            fault=fault,
            copy_of=copy_of,
            title=title or (TITLES.get(label, label) if shown == label else ONLOOKERS_TITLE),
            tags=tuple(tags),
            author=author,
            license=license,
            group=group,
        )
        self._pictures.append(replace(picture, path=_path(picture)))
        return self._pictures[-1]

    def exact_copy(
        self, of: WorldPicture, *, listed_as: str = "", providers: Sequence[str] = ("bing",), host: str = ""
    ) -> WorldPicture:
        """Add another address with the same bytes."""
        return self._copy(of, "exact_copy", of.drawing, listed_as=listed_as, providers=providers, host=host)

    def near_copy(
        self,
        of: WorldPicture,
        change: str,
        *,
        listed_as: str = "",
        providers: Sequence[str] = ("bing",),
        host: str = "",
    ) -> WorldPicture:
        """Add a changed copy: ``change`` is one of ``CHANGES`` in :mod:`imgkit.demo.drawing.copies`."""
        drawing = replace(of.drawing, change=change)
        return self._copy(of, "near_copy", drawing, listed_as=listed_as, providers=providers, host=host)

    def drawing(self, subject: str, *, size: tuple[int, int] | None = None) -> Drawing:
        """Return a drawing that no other picture of this world has."""
        width, height = size or self.size
        return Drawing(subject=subject, seed=self.seed * 100_000 + len(self._pictures) + 1, width=width, height=height)

    def build(self, *, shuffle: bool = False) -> World:
        """Return the world; ``shuffle`` mixes the ranks, the same way for the same seed."""
        order = list(self._pictures)
        if shuffle:
            order = [order[place] for place in np.random.default_rng(self.seed).permutation(len(order))]
        ranks: Counter[tuple[str, str]] = Counter()
        ranked = []
        for picture in order:
            listings = []
            for listing in picture.listings:
                ranks[listing.provider, picture.listed_as] += 1
                listings.append(replace(listing, rank=ranks[listing.provider, picture.listed_as]))
            ranked.append(replace(picture, listings=tuple(listings)))
        return World(topics=self.topics, hosts=self.hosts, pictures=tuple(ranked), seed=self.seed)

    def _copy(
        self, of: WorldPicture, kind: Kind, drawing: Drawing, *, listed_as: str, providers: Sequence[str], host: str
    ) -> WorldPicture:
        label = listed_as or of.listed_as
        return self.add(
            label, kind=kind, shows=of.label, providers=providers, drawing=drawing, copy_of=of.id, host=host
        )

    def _next_host(self, label: str) -> str:
        self._listed[label] += 1
        return self.hosts[self._listed[label] % self.spread].name

    def _next_id(self, stem: str) -> str:
        self._numbers[stem] += 1
        return f"{stem}-{self._numbers[stem]:03d}"


def _path(picture: WorldPicture) -> str:
    if any(listing.provider in ("inaturalist", "gbif") for listing in picture.listings):
        return f"/photos/{picture.number}/original.jpg"
    return f"/pictures/{picture.id}.jpg"
