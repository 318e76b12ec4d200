"""Images and items: the bytes that decode to a picture, and their files under labels."""

from collections.abc import Iterable

from imgkit.manifest import rows
from imgkit.manifest.nouns import Count, Image, Item
from imgkit.manifest.opened import Opened


class Pictures(Opened):
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

    def item_counts(self) -> list[Count]:
        """Return how many items are in each final state for each reason, by label.

        State is the person's decision where there is one, else the machine's verdict, else "harvested".
        """
        return self._tally("item")
