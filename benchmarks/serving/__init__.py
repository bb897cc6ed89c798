"""How fast and how steadily the service answers, beside others and beside its own engine: `make bench-serving`."""
