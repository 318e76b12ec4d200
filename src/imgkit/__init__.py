"""From a list of words to a trustworthy image classifier: harvest, curate, train."""

__version__ = "0.1.0"
