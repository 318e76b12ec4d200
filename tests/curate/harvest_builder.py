"""Fill a data folder with pictures the way a harvest does, without a harvest."""

from pathlib import Path

from PIL import Image as PillowImage

from imgkit.files import write_atomically
from imgkit.manifest import DataFolder, Image, Item, Manifest, Proposal, Query, SearchState
from imgkit.vision import resize
from imgkit.vision.decode import OWN_FILES, Decoded, decode


class HarvestBuilder:
    """A data folder under construction: each picture is a candidate, an image and an item, as harvest leaves them."""

    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root)
        self.manifest = Manifest.open(root)
        self._rank = 0
        self._queries: dict[str, int] = {}

    def label(self, slug: str, name: str = "") -> None:
        """Make a label known by a query of its name."""
        query = Query(label=slug, name=name or slug, text=name or slug)
        self._queries[slug] = self.manifest.put_queries([query])[0]

    def add(self, label: str, picture: PillowImage.Image | bytes, **proposal: str) -> str:
        """Harvest a picture and return its image id; bytes that are no picture are refused with a reason."""
        if label not in self._queries:
            self.label(label)
        self._rank += 1
        data = picture if isinstance(picture, bytes) else resize.jpeg_bytes(picture)
        found = Proposal(url=proposal.pop("url", f"https://example.org/{self._rank}.jpg"), rank=self._rank, **proposal)
        state = SearchState(query_id=self._queries[label], provider="openverse", found=self._rank)
        self.manifest.put_page(state, [found], label=label, round_=1)
        candidate = next(one for one in self.manifest.candidates(label=label) if one.proposal.rank == self._rank)
        outcome = decode(data, limits=OWN_FILES)
        if not isinstance(outcome, Decoded):
            self.manifest.settle([_settled(candidate, "rejected", outcome.reason, None)])
            return ""
        image = _image(data, outcome)
        small = resize.jpeg_bytes(resize.shrink(outcome.image, 500))
        write_atomically(self.folder.harvested_file(label, image.id), small)
        self.manifest.put_image(image)
        width, height = resize.fit_within(outcome.width, outcome.height, 500)
        self.manifest.put_items(
            [Item(label=label, image_id=image.id, width=width, height=height, file_sha256=_sha256(small))]
        )
        self.manifest.settle([_settled(candidate, "kept", "", image.id)])
        return image.id

    def close(self) -> Path:
        """Close the manifest and return the data folder."""
        self.manifest.close()
        return self.folder.root


def _image(data: bytes, decoded: Decoded) -> Image:
    return Image(
        sha256=_sha256(data),
        stored_sha256=_sha256(data),
        extension=decoded.extension,
        bytes=len(data),
        width=decoded.width,
        height=decoded.height,
    )


def _settled(candidate, state, reason, image_id):
    from dataclasses import replace

    return replace(candidate, state=state, reason=reason, image_id=image_id)


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
