"""Images and items: the bytes that decode to a picture, and their files under labels."""

from collections.abc import Iterable

from imgkit.manifest import rows, standings
from imgkit.manifest.connection import OpenManifest
from imgkit.manifest.nouns import Image, Item, ItemKey
from imgkit.manifest.outcomes import Cell, Outcome, PictureCounts, count_pictures


class Pictures(OpenManifest):
    """The part of a manifest that says which pictures there are."""

    def put_image(self, image: Image) -> None:
        """Remember a picture whose bytes are safe in ``originals/``; known ones are left as they are."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO image VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                (
                    image.id,
                    image.sha256,
                    image.stored_sha256,
                    image.extension,
                    image.bytes,
                    image.width,
                    image.height,
                    image.frames,
                    rows.to_json(image.notes),
                ),
            )

    def remove_images(self, image_ids: Iterable[str]) -> None:
        """Forget pictures with their items, findings and judgements; no candidate may still refer to them.

        What people decided about them stays in the log.
        """
        keys = [(image_id,) for image_id in image_ids]
        with self._db.write() as db:
            for table in ("item", "finding", "judgement"):
                db.executemany(f"DELETE FROM {table} WHERE image_id=?", keys)
            db.executemany("DELETE FROM image WHERE id=?", keys)

    def images(self) -> dict[str, Image]:
        """Return every picture by id."""
        return {row["id"]: rows.image_from(row) for row in self._db.read("SELECT * FROM image ORDER BY id")}

    def image(self, image_id: str) -> Image | None:
        """Return one picture, or None."""
        found = self._db.read("SELECT * FROM image WHERE id=?", (image_id,))
        return rows.image_from(found[0]) if found else None

    def put_items(self, items: Iterable[Item]) -> None:
        """Remember materialised files; the same item again replaces its size and hash."""
        with self._db.write() as db:
            db.executemany(
                "INSERT INTO item VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET width=excluded.width, "
                "height=excluded.height, file_sha256=excluded.file_sha256",
                [(one.label, one.image_id, one.width, one.height, one.file_sha256) for one in items],
            )

    def remove_items(self, items: Iterable[tuple[str, str]]) -> None:
        """Forget materialised files by (label, image id); the pictures and their candidates stay."""
        with self._db.write() as db:
            db.executemany("DELETE FROM item WHERE label=? AND image_id=?", list(items))

    def items(self, *, label: str | None = None) -> list[Item]:
        """Return the items by (label, image id), optionally of one label."""
        where, values = ("WHERE label=?", (label,)) if label is not None else ("", ())
        return [
            rows.item_from(row) for row in self._db.read(f"SELECT * FROM item {where} ORDER BY label, image_id", values)
        ]

    def picture_cells(self) -> list[Cell]:
        """Return how many items share label, place in the set, state and reason."""
        return standings.cells(self._db)

    def picture_counts(self) -> dict[str, PictureCounts]:
        """Return where the pictures of each label are, by label."""
        labels = [row["slug"] for row in self._db.read("SELECT slug FROM label")]
        return count_pictures(self.picture_cells(), labels)

    def outcomes(self) -> dict[ItemKey, Outcome]:
        """Return what becomes of each item, by (label, image id)."""
        return standings.outcomes(self._db)

    def written_counts(self) -> dict[str, int]:
        """Return how many pictures the set that the last curate wrote holds, by label."""
        return standings.written_counts(self._db)
