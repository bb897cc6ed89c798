import io
import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lirf.checkpoint import (
    check_fit,
    manifest,
    read_safetensors,
    read_torch_checkpoint,
    write_safetensors,
)
from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network, create, load_published, published_state


def safetensors_of(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_a_round_trip_through_bytes_is_bit_identical(untrained: Network) -> None:
    before = published_state(untrained)
    after = read_safetensors(write_safetensors(before))
    assert set(after) == set(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    fresh = load_published(create("resnet20", num_classes=10), after).frozen()
    images = torch.randn(4, 3, 8, 8)
    assert torch.equal(fresh(images), untrained(images))


def test_the_same_tensors_give_the_same_bytes_whatever_their_order_or_strides() -> None:
    a, b = torch.randn(3, 4), torch.randn(2)
    first = write_safetensors({"a": a, "b": b})
    assert write_safetensors({"b": b, "a": a.t().contiguous().t()}) == first
    assert write_safetensors({"a": a, "b": b + 1}) != first


def test_tensors_that_share_storage_are_written_whole() -> None:
    base = torch.arange(6.0)
    again = read_safetensors(write_safetensors({"whole": base, "part": base[:2]}))
    assert again["part"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_refused_without_being_read(protocol: int) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("the pickle was read",))

    with pytest.raises(InvalidInputError, match=r"this is a pickle.*lirf models import FILE\.th"):
        read_safetensors(pickle.dumps(Bomb(), protocol=protocol))


def test_a_torch_checkpoint_sent_as_weights_is_refused_as_a_pickle() -> None:
    file = io.BytesIO()
    torch.save({"a": torch.ones(1)}, file)
    with pytest.raises(InvalidInputError, match="this is a pickle"):
        read_safetensors(file.getvalue())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too few"),
        (struct.pack("<Q", 300_000) + b" " * 300_000, "claims 300000 bytes, over the limit of 262144"),
        (safetensors_of(b"not json"), "its header is no JSON"),
        (
            safetensors_of({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"1234"),
            "no safetensors",
        ),
        (
            safetensors_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234"),
            "no safetensors",
        ),
    ],
)
def test_bytes_that_are_no_safetensors_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason) as caught:
        read_safetensors(data)
    assert caught.value.field == "weights"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(data: bytes) -> None:
    try:
        read_safetensors(data)
    except InvalidInputError as error:
        assert error.field == "weights"  # noqa: PT017 - most inputs are refused, a few are valid


def test_a_name_given_twice_is_refused() -> None:
    entry = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    with pytest.raises(InvalidInputError, match=r"conv1\.weight is given twice"):
        read_safetensors(
            safetensors_of(f'{{"conv1.weight": {entry}, "conv1.weight": {entry}}}'.encode(), b"0000")
        )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused_by_tensor(value: float) -> None:
    tensors = {"fine": torch.ones(2), "bn1.weight": torch.tensor([1.0, value])}
    with pytest.raises(InvalidInputError, match=r"bn1\.weight holds a value that is not finite"):
        read_safetensors(write_safetensors(tensors))


def test_weights_that_do_not_fit_are_refused_naming_missing_extra_and_misshapen(untrained: Network) -> None:
    tensors = {name: tensor for name, tensor in published_state(untrained).items() if name != "bn1.bias"}
    tensors |= {"linear.weight": torch.zeros(100, 64), "fc.weight": torch.zeros(1)}
    with pytest.raises(InvalidInputError) as caught:
        check_fit(tensors, untrained)
    assert "missing: bn1.bias" in caught.value.problem
    assert "extra: fc.weight" in caught.value.problem
    assert "linear.weight (expected float32 [10, 64], found float32 [100, 64])" in caught.value.problem


def test_half_precision_weights_are_refused_with_both_types(untrained: Network) -> None:
    halved = {name: tensor.half() for name, tensor in published_state(untrained).items()}
    with pytest.raises(InvalidInputError, match=r"expected float32 \[16\], found float16 \[16\]"):
        check_fit(halved, untrained)


def test_batchnorm_counters_may_come_and_are_ignored(untrained: Network) -> None:
    check_fit({**published_state(untrained), "bn1.num_batches_tracked": torch.tensor(7)}, untrained)


def test_loading_weights_that_lack_a_tensor_names_it(untrained: Network) -> None:
    with pytest.raises(InvalidInputError, match=r"conv1.weight of shape \[16, 3, 3, 3\] is missing"):
        load_published(untrained, {})


def test_the_manifest_lists_type_and_shape(untrained: Network) -> None:
    assert manifest(untrained)["linear.bias"] == (torch.float32, (10,))


def test_a_data_parallel_checkpoint_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "net.th"
    torch.save({"state_dict": {"module.conv1.weight": torch.ones(2)}, "best_prec1": 91.7}, path)
    assert list(read_torch_checkpoint(path)) == ["conv1.weight"]


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.th"
    torch.save({"state_dict": {"weight": torch.ones(2), "hook": print}}, path, pickle_protocol=4)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(InvalidInputError, match=r"net\.th cannot be read as a PyTorch checkpoint"):
        read_torch_checkpoint(path)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2]])
def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "net.th"
    torch.save(content, path)
    with pytest.raises(InvalidInputError, match="holds no named tensors"):
        read_torch_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "net.th"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="cannot be read as a PyTorch checkpoint"):
        read_torch_checkpoint(path)
