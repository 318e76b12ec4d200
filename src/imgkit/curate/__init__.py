"""Curate harvested pictures: run checks, judge each picture, publish the set and its report."""
