"""Drawn pictures: scenes, bodies, light and camera, copies and damaged files."""
