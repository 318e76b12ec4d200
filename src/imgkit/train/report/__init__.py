"""The report of a run: page, charts, advice and error analysis."""
