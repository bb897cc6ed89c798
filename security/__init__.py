"""Attacks on the vault of a running service, by someone who can write to its databases and its key: `make security`."""
