"""What is stored comes back as it was, or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from app.db.migrate import upgrade
from app.db.models import ArtifactChunk
from app.db.repositories.artifacts import CHUNK_BYTES
from app.db.session import Sessions, open_sessions
from app.lirf.data.dataset import ImageDataset
from app.lirf.networks import InputSpec, create, published_state
from app.lirf.train import seed_everything
from app.vault import artifacts, datasets
from app.vault.artifacts import CorruptArtifactError
from app.vault.networks import NetworkPlan, load_network, store_network
from app.vault.vault import Vault

ROWS = 90
SHAPE = (3, 120, 120)  # 43,200 bytes: rows lie across the borders of chunks


@pytest.fixture(scope="module")
def images() -> ImageDataset:
    pixels = torch.randint(
        0, 256, (ROWS, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return ImageDataset(
        images=pixels,
        labels=torch.arange(ROWS) % 3,
        ids=tuple(f"row-{number}" for number in range(ROWS)),
        classes=("a", "ß", "c"),
        metadata={"writer": tuple([1, "one", None, 1.5, True][number % 5] for number in range(ROWS))},
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    sessions = open_sessions(f"sqlite:///{tmp_path_factory.mktemp('vault') / 'lirf.db'}")
    upgrade(sessions)
    yield sessions
    sessions.close()


@pytest.fixture(scope="module")
def stored(store: Sessions, images: ImageDataset) -> datasets.StoredDataset:
    return datasets.store(store, images)


@contextmanager
def opened(sessions: Sessions, stored: datasets.StoredDataset) -> Iterator[datasets.OpenDataset]:
    with sessions.read() as session:
        yield datasets.OpenDataset(session, stored, SHAPE)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_an_artifact_of_any_size_comes_back_under_its_digest(sessions: Sessions, size: int) -> None:
    data = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    digest = artifacts.store(sessions, data[:size])
    assert digest == hashlib.sha256(data[:size]).hexdigest()
    assert artifacts.load(sessions, digest) == data[:size]
    assert artifacts.store(sessions, data[:size]) == digest


@pytest.mark.parametrize("harm", ["altered", "shortened", "missing"])
def test_harmed_bytes_are_never_handed_out(sqlite_sessions: Sessions, harm: str) -> None:
    digest = artifacts.store(sqlite_sessions, b"knowledge" * 10)
    harmed = {"altered": b"Knowledge" * 10, "shortened": b"knowledge" * 9, "missing": b""}[harm]
    with sqlite_sessions.write() as session:
        session.execute(update(ArtifactChunk).values(data=harmed))
    with pytest.raises(CorruptArtifactError, match=digest):
        artifacts.load(sqlite_sessions, digest)


def test_an_artifact_that_was_never_stored_is_never_handed_out(sqlite_sessions: Sessions) -> None:
    with pytest.raises(CorruptArtifactError):
        artifacts.load(sqlite_sessions, "0" * 64)


@settings(max_examples=60, deadline=None)
@given(indices=st.lists(st.integers(0, ROWS - 1), max_size=40))
def test_any_rows_in_any_order_are_those_of_the_source(
    store: Sessions, images: ImageDataset, stored: datasets.StoredDataset, indices: list[int]
) -> None:
    with opened(store, stored) as data:
        assert torch.equal(data.images(indices), images.images[indices])


@pytest.mark.parametrize(
    "rows", [[0], [ROWS - 1], [23, 24, 25], list(range(0, ROWS, 7)), list(range(ROWS))], ids=len
)
def test_removed_images_are_zero_and_the_others_as_they_were(
    store: Sessions, images: ImageDataset, stored: datasets.StoredDataset, rows: list[int]
) -> None:
    with opened(store, stored) as data:
        left = data.without_images(store, torch.tensor(rows))
    others = [row for row in range(ROWS) if row not in rows]
    artifacts.load(store, left.pixels_digest)  # raises unless the content has this digest
    with opened(store, left) as data:
        assert not data.images(rows).any()
        assert torch.equal(data.images(others), images.images[others])
        assert data.index.removed.nonzero().flatten().tolist() == rows
        assert (data.without_images(store, torch.tensor([0])) == left) == (rows[0] == 0)


def test_a_row_whose_bytes_are_missing_is_never_handed_out(
    sqlite_sessions: Sessions, images: ImageDataset
) -> None:
    stored = datasets.store(sqlite_sessions, images)
    with sqlite_sessions.write() as session:
        session.execute(delete(ArtifactChunk).where(ArtifactChunk.seq == 1))
    with opened(sqlite_sessions, stored) as data:
        assert torch.equal(data.images([0]), images.images[:1])
        with pytest.raises(CorruptArtifactError, match="lacks rows"):
            data.images([0, 30])


def test_an_open_data_set_is_what_it_was_when_it_was_opened(
    sqlite_sessions: Sessions, images: ImageDataset
) -> None:
    stored = datasets.store(sqlite_sessions, images)
    with opened(sqlite_sessions, stored) as data:
        assert len(data.index) == ROWS
        with sqlite_sessions.write() as session:
            session.execute(delete(ArtifactChunk))
        assert torch.equal(data.images([0, 80]), images.images[[0, 80]])


def test_an_artifact_is_rewritten_chunk_by_chunk_and_the_old_one_stays(sqlite_sessions: Sessions) -> None:
    data = bytes(range(256)) * (CHUNK_BYTES // 100)
    digest = artifacts.store(sqlite_sessions, data)
    seen: list[int] = []

    def upper(position: int, chunk: bytes) -> bytes:
        seen.append(position)
        return bytes(255 - byte for byte in chunk)

    with sqlite_sessions.read() as session:
        changed = artifacts.rewrite(sqlite_sessions, session, digest, upper)
        assert artifacts.rewrite(sqlite_sessions, session, digest, upper) == changed
    assert artifacts.load(sqlite_sessions, changed) == bytes(255 - byte for byte in data)
    assert artifacts.load(sqlite_sessions, digest) == data
    assert seen == [0, CHUNK_BYTES, 2 * CHUNK_BYTES] * 3  # twice, and once to see that it is there already


def test_the_index_comes_back_with_names_labels_and_metadata(
    store: Sessions, images: ImageDataset, stored: datasets.StoredDataset
) -> None:
    with opened(store, stored) as data:
        index = data.index
    assert torch.equal(index.labels, images.labels)
    assert (index.ids, index.classes) == (images.ids, images.classes)
    assert index.metadata == images.metadata
    assert [type(value) for value in index.metadata["writer"]] == [
        type(value) for value in images.metadata["writer"]
    ]
    assert len(set(index.row_hashes)) == len(index) == ROWS


@pytest.mark.parametrize(("architecture", "split"), [("resnet20", 7), ("resnet20", 1), ("allcnn", 3)])
def test_a_network_comes_back_bit_for_bit(
    vault: Vault, sqlite_sessions: Sessions, architecture: str, split: int
) -> None:
    plan = NetworkPlan(architecture, 10, InputSpec(3, 32, 32, (0.5,) * 3, (0.5,) * 3), split)
    seed_everything(1)
    net = create(architecture, 10)
    loaded = load_network(vault, plan, store_network(sqlite_sessions, net, split))
    before, after = published_state(net), published_state(loaded)
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_versions_that_share_their_deep_part_store_it_once(sqlite_sessions: Sessions) -> None:
    seed_everything(1)
    net = create("resnet20", 10)
    first = store_network(sqlite_sessions, net, 7)
    with torch.no_grad():
        next(iter(net.part(0, 7).parameters())).add_(1)
    second = store_network(sqlite_sessions, net, 7)
    assert (first.deep, first.head) == (second.deep, second.head)
    assert first.shallow != second.shallow
