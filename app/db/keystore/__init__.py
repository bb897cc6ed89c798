"""The key store: a database of its own, so that no backup of the artifacts holds what opens them."""
