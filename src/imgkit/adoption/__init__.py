"""Curate a folder of pictures that a person already has: its files are read in place and never changed."""
