"""Copies: fingerprints, candidate pairs, verification by pixels, and groups."""

from typing import Final

CLOSE_FROM: Final = 0.93
"""Closeness of copies: by 13 transforms they have 0.95 and more, two moments of a scene 0.91."""
