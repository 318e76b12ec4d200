"""What a harvest keeps on disk: originals, decoded pictures, and the state of candidates."""
