"""Pictures as shards at any address that fsspec knows: written for trainers that want them, and brought back."""
