"""The learning core of recoverable forgetting (LIRF, ECCV 2022), importable alone: tensors in, tensors out."""
