"""Training data: splits, pixel cache, batches and augmentation."""
