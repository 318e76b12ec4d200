"""Feature vectors of picture files, decoded in parallel, computed in batches and kept by content."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from imgkit.arrays import Float32Array, UInt8Array
from imgkit.cores import cpu_count
from imgkit.engine import Engine
from imgkit.files import NO_FILE, sha256_of
from imgkit.progress import Progress, Silent
from imgkit.vision.decode import UnreadablePictureError, missing, open_picture
from imgkit.vision.features.backbone import Backbone, TexturedBackbone
from imgkit.vision.features.feature_store import FeatureStore
from imgkit.vision.features.parallel_batches import map_batches
from imgkit.vision.features.remote_embeddings import compute_remotely

logger = logging.getLogger(__name__)

CropView = Literal["middle", "middle and mirror"]
"""What a vector describes: the middle square, or the mean of it and its mirror image (twice the time)."""

_BATCH_CPU: Final = 8  # larger batches leave the caches of a CPU
_BATCH_GPU: Final = 256
_SAVE_EVERY: Final = 64  # pictures; what a kill can cost


@dataclass(frozen=True, slots=True)
class Embedded:
    """The features of N files; rows of files that could not be read are NaN, ``unreadable`` says why by index."""

    features: Float32Array
    unreadable: Mapping[int, UnreadablePictureError]


def embed(
    paths: Sequence[Path],
    backbone: Backbone,
    *,
    cache: Path | None,
    keys: Sequence[str] | None = None,
    view: CropView = "middle",
    progress: Progress | None = None,
) -> Float32Array:
    """Return the (N, D) float32 features of N picture files, in their order.

    Args:
        paths: files that ``open_picture`` can open.
        backbone: the network.
        cache: folder for finished vectors, None for none. They are found again by content, whatever the path.
        keys: SHA-256 of each file as 64 hex digits, where the caller knows it; else the files are hashed.
        view: what of a picture a vector describes.
        progress: is told of the pictures that are not in the cache.

    Raises:
        UnreadablePictureError: a file cannot be decoded; the vectors of the others are in the cache by then.
    """
    embedded = embed_readable(paths, backbone, cache=cache, keys=keys, view=view, progress=progress)
    for error in embedded.unreadable.values():
        raise error
    return embedded.features


def embed_readable(
    paths: Sequence[Path],
    backbone: Backbone,
    *,
    cache: Path | None,
    keys: Sequence[str] | None = None,
    view: CropView = "middle",
    progress: Progress | None = None,
    engine: Engine | None = None,
    title: str = "embedding",
) -> Embedded:
    """Return the features of the files that can be read, and why the others cannot (arguments as for ``embed``).

    ``engine`` computes them in its workers; None computes them here. ``title`` is what ``progress`` calls the work.
    """
    progress = progress or Silent()
    features = np.full((len(paths), backbone.dimension), np.nan, np.float32)
    unreadable: dict[int, UnreadablePictureError] = {}
    contents = list(keys) if keys is not None else _hash_files(paths, unreadable)
    store = _store(cache, backbone, view) if cache else None
    plain_store = _plain_store(cache, backbone, view) if cache else None
    missing = store.read_into(features, contents) if store else range(len(paths))
    places: dict[str, list[int]] = {}  # of each content that has to be computed: copies are computed once
    for index in missing:
        if index not in unreadable:
            places.setdefault(contents[index], []).append(index)
    progress.start(title, len(places))
    unsaved: list[str] = []
    computing = (
        _compute(places, paths, backbone, view)
        if engine is None
        else compute_remotely(places, paths, backbone, mirrored=view != "middle", engine=engine)
    )
    for computed in computing:
        for content, outcome in computed.items():
            for index in places[content]:
                if isinstance(outcome, UnreadablePictureError):
                    unreadable[index] = outcome
                else:
                    features[index] = outcome
            if not isinstance(outcome, UnreadablePictureError):
                unsaved.append(content)
        if len(unsaved) >= _SAVE_EVERY:
            store = _save(store, unsaved, features, places)
            plain_store = _save(plain_store, unsaved, features, places)
            unsaved = []
        progress.advance(len(computed))
    _save(store, unsaved, features, places)
    _save(plain_store, unsaved, features, places)
    return Embedded(features, dict(sorted(unreadable.items())))


def count_missing(keys: Sequence[str], backbone: Backbone, *, cache: Path, view: CropView = "middle") -> int:
    """Return how many pictures ``embed`` would have to compute, by the SHA-256 of their files."""
    return len(set(keys)) - _store(cache, backbone, view).count(keys)


def _store(cache: Path, backbone: Backbone, view: CropView) -> FeatureStore:
    return FeatureStore(cache, key=f"{backbone.key} {view}", dimension=backbone.dimension)


def _plain_store(cache: Path, backbone: Backbone, view: CropView) -> FeatureStore | None:
    """Return where others look for the plain part of the vectors, None where they are nothing more than that."""
    if not isinstance(backbone, TexturedBackbone):
        return None
    return FeatureStore(cache, key=f"{backbone.plain_key} {view}", dimension=backbone.plain_dimension)


def _compute(
    places: Mapping[str, Sequence[int]], paths: Sequence[Path], backbone: Backbone, view: CropView
) -> Iterator[dict[str, Float32Array | UnreadablePictureError]]:
    """Yield the outcomes batch by batch; on a GPU the next pictures are decoded while a batch is computed."""
    mirrored = view != "middle"
    if backbone.device.type == "cpu":

        def whole(batch: Sequence[str]) -> dict[str, Float32Array | UnreadablePictureError]:
            prepared = {content: _prepare(paths[places[content][0]], backbone) for content in batch}
            return _outcomes(prepared, backbone, mirrored=mirrored)

        contents = list(places)
        yield from map_batches(
            whole, (contents[start : start + _BATCH_CPU] for start in range(0, len(contents), _BATCH_CPU))
        )
        return
    waiting = iter(places)
    with ThreadPoolExecutor(min(16, cpu_count()), thread_name_prefix="decode") as threads:

        def submit(count: int) -> list[tuple[str, Future[UInt8Array | UnreadablePictureError]]]:
            batch = list(islice(waiting, count))
            return [(content, threads.submit(_prepare, paths[places[content][0]], backbone)) for content in batch]

        ahead = [submit(_BATCH_GPU), submit(_BATCH_GPU)]
        while ahead[0]:
            prepared = {content: future.result() for content, future in ahead.pop(0)}
            ahead.append(submit(_BATCH_GPU))
            yield _outcomes(prepared, backbone, mirrored=mirrored)


def _outcomes(
    prepared: Mapping[str, UInt8Array | UnreadablePictureError], backbone: Backbone, *, mirrored: bool
) -> dict[str, Float32Array | UnreadablePictureError]:
    """Return the features of prepared pictures; what could not be read stays what it is."""
    outcome: dict[str, Float32Array | UnreadablePictureError] = {}
    good = {content: pixels for content, pixels in prepared.items() if not isinstance(pixels, Exception)}
    if good:
        pixels = np.stack(list(good.values()))
        outcome |= zip(good, backbone.features_of_views(pixels, mirrored=mirrored), strict=True)
    outcome |= {content: error for content, error in prepared.items() if isinstance(error, Exception)}
    return outcome


def _prepare(path: Path, backbone: Backbone) -> UInt8Array | UnreadablePictureError:
    form = backbone.preprocessing
    try:
        # a draft of a JPEG is large enough when its *shorter* side is; 4:1 is as long as pictures usually are
        return backbone.prepare(open_picture(path, shortest=form.shortest))
    except UnreadablePictureError as error:
        return error


def _hash_files(paths: Sequence[Path], unreadable: dict[int, UnreadablePictureError]) -> list[str]:
    contents = []
    for index, path in enumerate(paths):
        try:
            contents.append(sha256_of(path))
        except NO_FILE as error:
            unreadable[index] = UnreadablePictureError(path, missing(error))
            contents.append("")
    return contents


def _save(
    store: FeatureStore | None, contents: Sequence[str], features: Float32Array, places: Mapping[str, Sequence[int]]
) -> FeatureStore | None:
    """Write finished vectors; a cache that cannot be written costs time later, never the run."""
    if store is None or not contents:
        return store
    try:
        store.append(contents, features[[places[content][0] for content in contents], : store.dimension])
    except OSError as error:
        logger.warning("cannot write the cache %s (%s); going on without it", store.folder, error.strerror or error)
        return None
    return store
