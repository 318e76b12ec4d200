"""Feature vectors: pretrained backbones, their weights, embeddings and linear probes."""
