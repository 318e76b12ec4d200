"""Fetching candidates: scheduler, workers, frontier, downloader, duplicate tracker and result writer."""
