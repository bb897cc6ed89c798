"""Compiled nets answer as PyTorch's do, hold the deep part once, and say why a net cannot be compiled."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
import pytest
import torch
from torch import Tensor, nn

from app.inference import compiled
from app.inference.compiled import Compiler
from app.inference.eager import EagerNet
from app.inference.engine import Engine, ServedNet
from app.inference.lowering import NotLoweredError
from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, Network, create, default_split, published_state
from app.lirf.pruning import prune
from app.lirf.recover import RecoverNet
from app.lirf.rows import take_rows, without_rows

from .warmed import warmed

SPEC = InputSpec(3, 32, 32, (0.5, 0.45, 0.4), (0.25, 0.2, 0.3))
CLASSES = 10
MOST_APART = 1e-4


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler(2)


def module(net: Network, split: int, classes: tuple[int, ...] | None, seed: int) -> DepositModule:
    """A pruned branch with statistics of its own, and the rows of its classes."""
    branch = warmed(prune(net.part(0, split), 0.5, SPEC.shape), seed)
    rows = take_rows(net, classes) if classes else {}
    return DepositModule(published_state(branch) | rows, LogitFilter.of(classes), split, 0.5)


def composed(architecture: str, sets: list[tuple[int, ...] | None]) -> RecoverNet:
    torch.manual_seed(0)
    net, split = warmed(create(architecture, CLASSES)), default_split(architecture)
    modules = [module(net, split, classes, seed) for seed, classes in enumerate(sets, start=2)]
    forgotten = [index for classes in sets for index in classes or ()]
    return RecoverNet(without_rows(net, forgotten), modules, split)


def pixels(count: int) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (count, *SPEC.shape), dtype=np.uint8)


def expected(net: RecoverNet, images: Pixels) -> Probabilities:
    with torch.inference_mode():
        answers: Probabilities = net(SPEC.normalise(torch.from_numpy(images))).softmax(dim=1).numpy()
    return answers


@pytest.mark.parametrize(
    ("architecture", "sets"),
    [
        ("resnet20", []),
        ("resnet20", [(3,)]),
        ("resnet20", [(3, 8), (1,), None, None]),
        ("allcnn", [(3,), None]),
        ("resnet18-cifar", [(0, 9), (4,)]),
    ],
)
def test_a_net_answers_as_pytorch_does(
    compiler: Compiler, architecture: str, sets: list[tuple[int, ...] | None]
) -> None:
    net = composed(architecture, sets)
    images = pixels(9)
    told = expected(net, images)
    ready = compiler.net(net, SPEC, "deep", "head")
    for count in (9, 1, 2):
        found = ready.probabilities(images[:count])
        assert float(np.abs(found - told[:count]).max()) < MOST_APART
        assert np.array_equal(found.argmax(axis=1), told[:count].argmax(axis=1))


@pytest.mark.parametrize("count", [1, 3])
def test_images_may_lie_in_memory_in_any_order_and_be_read_only(compiler: Compiler, count: int) -> None:
    net = composed("resnet20", [])
    images = pixels(count)
    told, ready = expected(net, images), compiler.net(net, SPEC, "deep", "head")
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    read_only = np.frombuffer(images.tobytes(), np.uint8).reshape(images.shape)
    for same in (channels_last, read_only, np.asfortranarray(images)):
        assert np.allclose(ready.probabilities(same), told, atol=MOST_APART)


def test_nets_of_one_version_hold_the_deep_part_once_while_anybody_holds_it(compiler: Compiler) -> None:
    net = composed("resnet18-cifar", [(3,)])
    recover = compiler.net(net, SPEC, "version 1", "head")
    target = compiler.net(
        RecoverNet(Network([*net.shallow, *net.trunk, *net.head], [""] * 10), [], 7),
        SPEC,
        "version 1",
        "head",
    )
    (shared,) = recover.pieces.keys() & target.pieces.keys()
    assert shared == ("version 1", None)
    other = compiler.net(composed("resnet18-cifar", []), SPEC, "version 2", "head")
    assert not other.pieces.keys() & target.pieces.keys()
    del recover, target
    assert list(compiler._deep_parts._values) == [("version 2", None)]


def test_a_net_whose_deep_part_has_no_weights_shares_nothing(compiler: Compiler) -> None:
    ready = compiler.net(composed("resnet20", []), SPEC, "deep", "head")
    assert len(ready.pieces) == 1


def test_heads_with_weights_of_their_own_are_not_taken_for_one_another(compiler: Compiler) -> None:
    def net() -> RecoverNet:
        blocks = [
            nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 4, 3, stride=2), nn.ReLU()),
            nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, CLASSES)
            ),
        ]
        return RecoverNet(Network(blocks, ["a", "b", "c"]).eval(), [], 1)

    first, second = net(), net()
    kept = [
        compiler.net(copy.deepcopy(one), SPEC, "deep", name) for name, one in (("1", first), ("2", second))
    ]
    images = pixels(4)
    for ready, plain in zip(kept, (first, second), strict=True):
        assert np.allclose(ready.probabilities(images), expected(plain, images), atol=MOST_APART)


def test_threads_that_ask_at_once_get_their_own_answers(compiler: Compiler) -> None:
    net = composed("resnet20", [(3,)])
    images = pixels(8)
    told, ready, start = expected(net, images), compiler.net(net, SPEC, "deep", "head"), threading.Barrier(4)

    def ask(first: int) -> bool:
        start.wait()
        mine = slice(first, first + 2)
        return all(
            np.allclose(ready.probabilities(images[mine]), told[mine], atol=MOST_APART) for _ in range(50)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, (0, 2, 4, 6)))


def test_fronts_that_are_too_large_for_every_thread_to_have_one_answer_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "COPIED_BYTES", 0)
    for architecture in ("resnet20", "allcnn"):
        net, images = composed(architecture, [(3,)]), pixels(5)
        ready = Compiler(2).net(copy.deepcopy(net), SPEC, "deep", "head")
        for count in (1, 5):
            found = ready.probabilities(images[:count])
            assert np.allclose(found, expected(net, images[:count]), atol=MOST_APART)


def test_what_is_held_for_each_thread_counts() -> None:
    net = composed("resnet20", [])
    sizes = [
        sum(Compiler(threads).net(copy.deepcopy(net), SPEC, "deep", "head").pieces.values())
        for threads in (1, 3)
    ]
    assert sizes[1] == 2 * sizes[0]


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def test_a_head_that_goes_on_after_its_classifier_is_not_compiled(compiler: Compiler) -> None:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES), Scaled())
    net = RecoverNet(Network([nn.Conv2d(3, 4, 3), head], ["a", "b"]).eval())
    with pytest.raises(NotLoweredError, match="goes on after its classifier"):
        compiler.net(net, SPEC, "deep", "head")


def test_a_net_that_cannot_be_compiled_is_served_by_pytorch() -> None:
    blocks = [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)),
    ]
    net = RecoverNet(Network(blocks, ["a", "b"]).eval())
    images, engine = pixels(4), Engine()
    told = expected(net, images)
    ready = engine.prepare(net, SPEC)
    assert isinstance(ready, EagerNet)
    assert np.allclose(engine.answer(ServedNet(ready), images), told, atol=MOST_APART)


def test_an_engine_that_shall_not_compile_leaves_nets_to_pytorch() -> None:
    net = composed("resnet20", [])
    assert isinstance(Engine(compiles=False).prepare(net, SPEC), EagerNet)


def test_a_net_that_openvino_does_not_read_back_is_served_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no copy of this one")

    monkeypatch.setattr(ov.Core, "import_model", refuse)
    net, images = composed("resnet20", []), pixels(3)
    ready = Engine(threads=2).prepare(copy.deepcopy(net), SPEC)
    assert isinstance(ready, EagerNet)
    assert np.allclose(ready.probabilities(images), expected(net, images), atol=MOST_APART)
