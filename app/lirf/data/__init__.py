"""Labelled images: where they come from, how they become tensors, which of them a deposit set selects."""
