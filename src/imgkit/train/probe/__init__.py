"""The linear probe on frozen features: fitting, out-of-fold predictions, learning curve, cache."""
