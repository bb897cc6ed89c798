"""Uploads are stored before their row is written; a refusal in between takes them away again."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from app.db.repositories import artifacts
from app.db.session import Sessions


@contextmanager
def kept_if_registered(sessions: Sessions, digests: Collection[str]) -> Iterator[None]:
    """Delete the artifacts ``digests`` if the block fails and nothing else refers to them."""
    try:
        yield
    except Exception:
        if digests:
            with sessions.write() as session:
                artifacts.delete_unreferenced(session, set(digests))
        raise
