"""What a harvest leaves alone: hosts for a while, what robots.txt says, and what was removed for good."""

from collections.abc import Iterable
from datetime import datetime

from imgkit.manifest import rows
from imgkit.manifest.connection import OpenManifest


class HostRecords(OpenManifest):
    """The part of a manifest about hosts, and about what must not come back from any."""

    def defer_host(self, host: str, until: datetime | None, reason: str) -> None:
        """Remember not to ask ``host`` before ``until``; None forgets it."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO host (name, deferred_until, reason) VALUES (?,?,?) ON CONFLICT DO UPDATE SET "
                "deferred_until=excluded.deferred_until, reason=excluded.reason",
                (host, rows.timestamp(until), reason),
            )

    def deferred_hosts(self) -> dict[str, datetime]:
        """Return the hosts not to be asked yet, and until when."""
        found = self._db.read("SELECT * FROM host WHERE deferred_until > ?", (self._clock(),))
        return {row["name"]: moment for row in found if (moment := rows.moment(row["deferred_until"]))}

    def put_robots(self, host: str, text: str) -> None:
        """Remember the robots.txt of a host."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO host (name, robots, robots_at) VALUES (?,?,?) ON CONFLICT DO UPDATE SET "
                "robots=excluded.robots, robots_at=excluded.robots_at",
                (host, text, self._clock()),
            )

    def robots(self, host: str, *, max_age_s: float) -> str | None:
        """Return a robots.txt that is at most ``max_age_s`` seconds old, or None."""
        found = self._db.read(
            "SELECT robots FROM host WHERE name=? AND robots_at>=?", (host, self._clock() - max_age_s)
        )
        return found[0]["robots"] if found else None

    def add_tombstones(self, kind: str, values: Iterable[str], *, reason: str) -> None:
        """Keep what was removed from ever coming back. ``kind`` is url, sha256, host, author or look."""
        with self._db.write(durable=True) as db:
            db.executemany(
                "INSERT INTO tombstone VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                [(kind, value, reason, self._clock()) for value in values],
            )

    def forget_hosts(self, names: Iterable[str]) -> None:
        """Forget what is known of hosts: their robots.txt and when they may be asked again."""
        with self._db.write() as db:
            db.executemany("DELETE FROM host WHERE name=?", [(name,) for name in names])

    def known_hosts(self) -> list[str]:
        """Return the hosts that something is known of, as ``host`` or ``scheme://host:port``."""
        return [row["name"] for row in self._db.read("SELECT name FROM host ORDER BY name")]

    def replace_tombstone(self, kind: str, old: str, new: str) -> None:
        """Put another form of a value in its place under a tombstone."""
        with self._db.write(durable=True) as db:
            db.execute("UPDATE OR REPLACE tombstone SET value=? WHERE kind=? AND value=?", (new, kind, old))

    def tombstones(self, kind: str) -> frozenset[str]:
        """Return the values under a kind of tombstone."""
        return frozenset(row["value"] for row in self._db.read("SELECT value FROM tombstone WHERE kind=?", (kind,)))
