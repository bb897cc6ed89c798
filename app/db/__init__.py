"""The truth: tables, sessions, and every SQL statement of the service."""
