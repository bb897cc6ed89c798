"""Tensors stream out as safetensors and come back as views of the bytes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load
from torch import Tensor

from app.vault.tensor_stream import DTYPES, stream, stream_size, view_tensors

SHAPES = st.lists(st.integers(0, 4), max_size=3)
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=12), st.tuples(st.sampled_from(list(DTYPES.values())), SHAPES), max_size=6
)


def made(wanted: dict[str, tuple[torch.dtype, list[int]]]) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(0)
    return {
        name: torch.randint(0, 2 if dtype is torch.bool else 100, shape, generator=chance).to(dtype)
        for name, (dtype, shape) in wanted.items()
    }


@given(TENSORS)
def test_any_tensors_come_back_bit_for_bit_and_safetensors_reads_them(
    wanted: dict[str, tuple[torch.dtype, list[int]]],
) -> None:
    tensors = made(wanted)
    data = bytearray(b"".join(stream(tensors)))
    assert len(data) == stream_size(tensors)
    for back in (view_tensors(data), load(bytes(data))):
        assert back.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape)
            assert torch.equal(back[name], tensor)


def test_the_order_and_the_strides_of_tensors_do_not_matter() -> None:
    one = {"b": torch.arange(6.0).reshape(2, 3).t(), "a": torch.ones(2)}
    other = {"a": torch.ones(2), "b": torch.arange(6.0).reshape(2, 3).t().contiguous()}
    assert b"".join(stream(one)) == b"".join(stream(other))


def test_what_comes_back_shares_the_memory_of_the_bytes() -> None:
    data = bytearray(b"".join(stream({"a": torch.ones(4)})))
    view = view_tensors(data)["a"]
    data[-4:] = b"\0\0\0\0"
    assert view.tolist() == [1, 1, 1, 0]


def test_a_kind_of_number_that_networks_do_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        stream_size({"a": torch.zeros(1, dtype=torch.complex64)})
