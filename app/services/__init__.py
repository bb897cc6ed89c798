"""Use cases, one file each, verb first. A service opens its transaction, decides, writes, and returns a view."""
