"""Requests and files that nobody well-meaning sends, and what the service makes of them."""
