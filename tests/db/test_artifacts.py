"""Artifact rows on both databases: stored once, read by range, reaped when nothing names them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.db.models import ArtifactChunk, Dataset, utc_now
from app.db.repositories import artifacts
from app.db.session import Sessions

MakeRow = Callable[..., str]

DIGEST = "d" * 64


@pytest.fixture
def stored(sessions: Sessions) -> str:
    with sessions.write() as session:
        assert artifacts.stage(session, DIGEST, 5)
        for seq, data in enumerate([b"a", b"b", b"c", b"d", b"e"]):
            artifacts.add_chunk(session, DIGEST, seq, data)
        artifacts.complete(session, DIGEST)
    return DIGEST


def chunks(sessions: Sessions) -> int | None:
    with sessions.read() as session:
        return session.scalar(select(func.count()).select_from(ArtifactChunk))


def test_a_complete_artifact_is_not_staged_again(sessions: Sessions, stored: str) -> None:
    with sessions.write() as session:
        assert not artifacts.stage(session, stored, 5)
    assert chunks(sessions) == 5


def test_a_half_written_artifact_is_taken_up_again(sessions: Sessions) -> None:
    with sessions.write() as session:
        assert artifacts.stage(session, DIGEST, 2)
        artifacts.add_chunk(session, DIGEST, 0, b"first")
    with sessions.write() as session:
        assert artifacts.stage(session, DIGEST, 2)
        artifacts.add_chunk(session, DIGEST, 0, b"first")
        artifacts.add_chunk(session, DIGEST, 1, b"second")
        artifacts.complete(session, DIGEST)
    with sessions.read() as session:
        assert b"".join(artifacts.read_chunks(session, DIGEST)) == b"firstsecond"
        assert artifacts.find(session, DIGEST) is not None


def test_staging_again_makes_an_artifact_young(sessions: Sessions, stored: str) -> None:
    hour = timedelta(hours=1)
    with sessions.write() as session:
        artifact = artifacts.find(session, stored)
        assert artifact is not None
        artifact.created_at = utc_now() - 2 * hour
    with sessions.write() as session:
        artifacts.stage(session, stored, 5)
    with sessions.write() as session:
        assert artifacts.delete_unreferenced(session, before=utc_now() - hour) == 0


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(0, None, b"abcde"), (1, 3, b"bcd"), (4, 4, b"e"), (2, None, b"cde"), (5, 9, b"")],
)
def test_a_range_reads_its_chunks_in_order(
    sessions: Sessions, stored: str, first: int, last: int | None, expected: bytes
) -> None:
    with sessions.read() as session:
        assert b"".join(artifacts.read_chunks(session, stored, first, last)) == expected


def test_what_nothing_names_is_deleted_with_its_chunks(sessions: Sessions, stored: str) -> None:
    with sessions.write() as session:
        assert artifacts.delete_unreferenced(session) == 1
        assert artifacts.find(session, stored) is None
    assert chunks(sessions) == 0


def test_a_young_artifact_is_spared(sessions: Sessions, stored: str) -> None:
    with sessions.write() as session:
        assert artifacts.delete_unreferenced(session, before=utc_now() - timedelta(hours=1)) == 0
        assert artifacts.find(session, stored) is not None


def test_other_artifacts_are_spared_when_some_are_named(sessions: Sessions, stored: str) -> None:
    with sessions.write() as session:
        assert artifacts.delete_unreferenced(session, {"e" * 64}) == 0
        assert artifacts.delete_unreferenced(session, set()) == 0
        assert artifacts.find(session, stored) is not None


def test_what_a_data_set_names_is_kept(sessions: Sessions, stored: str, make_principal: MakeRow) -> None:
    owner = make_principal()
    with sessions.write() as session:
        session.add(
            Dataset(
                name="named",
                owner_id=owner,
                source="made up",
                rows=1,
                image_shape=[1, 1, 1],
                classes=["a"],
                columns=[],
                pixels_digest=stored,
                index_digest=stored,
            )
        )
        session.flush()
        assert artifacts.delete_unreferenced(session) == 0
    assert chunks(sessions) == 5
