"""All that knows pixels: decode, resize, perceptual hash, backbone, embeddings, probe."""
