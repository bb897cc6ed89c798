"""The learning core of recoverable forgetting (ECCV 2022), importable alone: tensors in, tensors out."""
