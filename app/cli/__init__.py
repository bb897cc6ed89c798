"""`lirf`: the service and its client on the command line."""

from app.cli.main import main

__all__ = ["main"]
