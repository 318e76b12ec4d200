"""Harvest: queries become candidates, candidates become bytes, bytes become pictures in ``harvested/<label>/``."""
