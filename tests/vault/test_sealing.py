"""Sealed bytes open where they were sealed for, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.vault.sealing import (
    PLAIN_CHUNK_BYTES,
    SEALED_CHUNK_BYTES,
    Label,
    TamperedError,
    chunk_count,
    new_data_key,
    seal,
    unseal,
)

KEY = new_data_key()
LABEL = Label("prn_1", "dep_1", 1, "module")
THREE_CHUNKS = bytes(range(251)) * (2 * PLAIN_CHUNK_BYTES // 251 + 40)


@pytest.fixture(scope="module")
def sealed() -> list[bytes]:
    return list(seal([THREE_CHUNKS], len(THREE_CHUNKS), KEY, LABEL))


@pytest.mark.parametrize(
    "size", [0, 1, PLAIN_CHUNK_BYTES - 1, PLAIN_CHUNK_BYTES, PLAIN_CHUNK_BYTES + 1, len(THREE_CHUNKS)]
)
def test_bytes_of_any_size_come_back_as_they_were(size: int) -> None:
    chunks = list(seal([THREE_CHUNKS[:size]], size, KEY, LABEL))
    assert len(chunks) == chunk_count(size)
    assert max(len(chunk) for chunk in chunks) <= SEALED_CHUNK_BYTES
    assert unseal(chunks, size, KEY, LABEL) == THREE_CHUNKS[:size]


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, len(THREE_CHUNKS)), max_size=6))
def test_it_does_not_matter_in_which_pieces_the_bytes_come(sealed: list[bytes], cuts: list[int]) -> None:
    ends = sorted(cuts)
    pieces = [
        THREE_CHUNKS[first:last] for first, last in zip([0, *ends], [*ends, len(THREE_CHUNKS)], strict=True)
    ]
    assert list(seal(pieces, len(THREE_CHUNKS), KEY, LABEL)) == sealed


def test_more_or_fewer_bytes_than_were_told_are_not_sealed() -> None:
    with pytest.raises(ValueError, match="3 bytes were sealed and 4 were told"):
        list(seal([b"abc"], 4, KEY, LABEL))


def test_nothing_of_the_plain_bytes_is_in_the_sealed_ones(sealed: list[bytes]) -> None:
    everything = b"".join(sealed)
    assert all(THREE_CHUNKS[start : start + 12] not in everything for start in range(0, 2510, 12))


def test_the_same_bytes_under_two_keys_have_nothing_in_common(sealed: list[bytes]) -> None:
    again = list(seal([THREE_CHUNKS], len(THREE_CHUNKS), new_data_key(), LABEL))
    assert (
        sum(one == other for one, other in zip(sealed[0], again[0], strict=True)) < SEALED_CHUNK_BYTES / 128
    )


@settings(max_examples=80, deadline=None)
@given(chunk=st.integers(0, 2), place=st.integers(0, 2**31), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found(sealed: list[bytes], chunk: int, place: int, bit: int) -> None:
    altered = bytearray(sealed[chunk])
    altered[place % len(altered)] ^= 1 << bit
    with pytest.raises(TamperedError, match=f"chunk {chunk} of module of dep_1 does not open"):
        unseal([*sealed[:chunk], bytes(altered), *sealed[chunk + 1 :]], len(THREE_CHUNKS), KEY, LABEL)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 2], [0, 2], [0, 1], [], [0, 1, 2, 2]])
def test_chunks_out_of_place_doubled_or_missing_are_found(sealed: list[bytes], order: list[int]) -> None:
    with pytest.raises(TamperedError, match="module of dep_1"):
        unseal([sealed[index] for index in order], len(THREE_CHUNKS), KEY, LABEL)


@pytest.mark.parametrize("length", [0, 1, 15, 16, SEALED_CHUNK_BYTES - 1])
def test_a_shortened_chunk_is_found(sealed: list[bytes], length: int) -> None:
    with pytest.raises(TamperedError, match=r"chunk 0 .* is not as long as it was"):
        unseal([sealed[0][:length], *sealed[1:]], len(THREE_CHUNKS), KEY, LABEL)


@pytest.mark.parametrize(
    "other",
    [
        replace(LABEL, tenant="prn_2"),
        replace(LABEL, deposit="dep_2"),
        replace(LABEL, version=2),
        replace(LABEL, kind="shallow"),
        Label("prn_1dep_1", "", 1, "module"),
    ],
)
def test_sealed_bytes_do_not_open_under_another_label(sealed: list[bytes], other: Label) -> None:
    with pytest.raises(TamperedError):
        unseal(sealed, len(THREE_CHUNKS), KEY, other)


def test_sealed_bytes_do_not_open_under_another_key_or_size(sealed: list[bytes]) -> None:
    with pytest.raises(TamperedError):
        unseal(sealed, len(THREE_CHUNKS), new_data_key(), LABEL)
    with pytest.raises(TamperedError):
        unseal(sealed, len(THREE_CHUNKS) - 1, KEY, LABEL)


@given(st.tuples(*[st.text(max_size=4)] * 3), st.tuples(*[st.text(max_size=4)] * 3))
def test_two_labels_never_read_the_same(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    first, second = (Label(tenant, deposit, 1, kind) for tenant, deposit, kind in (one, other))
    assert (first.encoded() == second.encoded()) == (one == other)
