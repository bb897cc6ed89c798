"""Queries and writes, one file per table family. Each function takes the session whose transaction it joins."""
