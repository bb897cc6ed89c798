"""What an audit reads of a network whose knowledge is known."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from app.lirf.audits.known import FEWEST, Questions, audit
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec, Network
from app.lirf.rows import without_rows

CLASSES = 4
SPEC = InputSpec(1, 1, CLASSES, (0.0,), (1.0,))


def one_hot_images(labels: torch.Tensor) -> torch.Tensor:
    """The brightest of four pixels is the class; the rest is noise."""
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 60, (len(labels), 1, 1, CLASSES), dtype=torch.uint8, generator=chance)
    images[torch.arange(len(labels)), 0, 0, labels] = 200
    return images


def noise(count: int) -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 1, 1, CLASSES), dtype=torch.uint8, generator=chance)


@pytest.fixture
def net() -> Network:
    """It names the brightest pixel, and its features are the pixels."""
    head = nn.Linear(CLASSES, CLASSES)
    with torch.no_grad():
        head.weight.copy_(torch.eye(CLASSES))
        head.bias.zero_()
    return Network([nn.Sequential(nn.Flatten()), nn.Sequential(head)], ["", ""])


Ask = Callable[..., Questions]


@pytest.fixture
def questions() -> Ask:
    def ask(per_class: int = 40, seed: int = 0) -> Questions:
        labels = torch.arange(CLASSES).repeat(per_class)
        return Questions(one_hot_images(labels), labels, (1,), seed)

    return ask


def test_a_net_whose_rows_left_is_read_below_its_output(net: Network, questions: Ask) -> None:
    found = audit(without_rows(net, [1]), SPEC, questions())
    assert found["output"] == {"deposited": 0.0, "kept": 100.0}
    assert found["probe"] == {"deposited": 100.0, "kept": 100.0}
    assert found["prototypes"]["deposited"]["mean"] == pytest.approx(100.0)
    assert found["images"] == {"attacker": 80, "deposited": 20, "kept": 60}


def test_images_that_tell_nothing_are_named_by_chance(net: Network) -> None:
    labels = torch.arange(CLASSES).repeat(400)
    found = audit(net, SPEC, Questions(noise(len(labels)), labels, (1,)))
    means = {name: found["prototypes"][name]["mean"] for name in ("deposited", "kept")}
    for attack in (found["probe"], found["output"], means):
        overall = (attack["deposited"] + (CLASSES - 1) * attack["kept"]) / CLASSES
        assert overall == pytest.approx(100 / CLASSES, abs=5)


def test_the_same_seed_gives_the_same_figures(net: Network, questions: Ask) -> None:
    noisy = questions()
    images = torch.randint(
        0, 256, noisy.images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    first, again, other = (
        audit(net, SPEC, Questions(images, noisy.labels, (1,), seed)) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.arange(CLASSES).repeat(FEWEST - 1), f"Class 0 has {FEWEST - 1} images"),
        (torch.tensor([0, 2, 3]).repeat(40), "Class 1 has 0 images"),
        (torch.ones(40, dtype=torch.int64), "no images of kept classes"),
    ],
)
def test_too_few_images_are_refused(net: Network, labels: torch.Tensor, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as refusal:
        audit(net, SPEC, Questions(one_hot_images(labels), labels, (1,)))
    assert refusal.value.field == "dataset"
    assert refusal.value.remedy
