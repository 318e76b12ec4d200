"""The review page: a local server that shows pictures and writes a person's decisions."""
