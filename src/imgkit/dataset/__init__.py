"""Folders and tables of labelled pictures: reading, fingerprints, and groups of near-duplicates."""
