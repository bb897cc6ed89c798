import copy

import pytest
import torch
from torch import Tensor

from app.lirf.audits.features import penultimate
from app.lirf.audits.probe import linear_probe
from app.lirf.audits.student import DistilConfig, distil_student
from app.lirf.config import Progress, TrainConfig
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracy, class_mask, logits
from app.lirf.networks import InputSpec, Network, create
from app.lirf.rows import take_rows, with_rows, without_rows
from app.lirf.train import seed_everything

BRIEF = DistilConfig(TrainConfig(epochs=5, batch_size=64, shift=1))


def fresh(num_classes: int = 10) -> Network:
    seed_everything(9)
    return create("resnet20", num_classes)


@pytest.fixture(scope="module")
def student(original: Network, spec: InputSpec, digits: tuple[Tensor, ...]) -> Network:
    """Taught by the original: what a target that only sealed its rows becomes when they are put back."""
    torch.set_num_threads(1)
    return distil_student(original, fresh(), spec, digits[0], BRIEF)


def test_a_student_agrees_with_the_network_it_never_saw_labels_of(
    original: Network, student: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    taught = logits(original, digits[2], spec).argmax(dim=1)
    assert accuracy(logits(fresh(), digits[2], spec), taught) < 30
    assert accuracy(logits(student, digits[2], spec), taught) > 93
    assert not student.training
    assert not any(parameter.requires_grad for parameter in student.parameters())


def test_sealed_rows_hide_from_a_student_what_rows_put_back_show(
    original: Network, student: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    asked = class_mask(digits[3], [3, 8])
    sealed = without_rows(original, [3, 8])
    restored = with_rows(sealed, [((3, 8), take_rows(original, (3, 8)))])
    assert torch.equal(logits(restored, digits[2], spec), logits(original, digits[2], spec))
    assert accuracy(logits(student, digits[2][asked], spec), digits[3][asked]) > 80
    taught = fresh()
    assert distil_student(sealed, taught, spec, digits[0][:640], BRIEF) is taught
    assert accuracy(logits(taught, digits[2][~asked], spec), digits[3][~asked]) > 50
    assert accuracy(logits(taught, digits[2][asked], spec), digits[3][asked]) == 0
    held, tested = (penultimate(taught, images, spec) for images in (digits[0][:500], digits[2][asked]))
    leaked = linear_probe(held, digits[1][:500], tested, 10)
    assert float((leaked == digits[3][asked]).double().mean()) > 0.5


def test_distilling_leaves_the_teacher_alone_and_reports_each_step(
    untrained: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    before = copy.deepcopy(untrained.state_dict())
    seen: list[Progress] = []
    config = DistilConfig(TrainConfig(epochs=2, batch_size=32))
    distil_student(untrained, fresh(), spec, digits[0][:64], config, on_step=seen.append)
    assert [(progress.step, progress.steps) for progress in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(progress.losses["total"] > 0 for progress in seen)
    assert all(torch.equal(tensor, before[name]) for name, tensor in untrained.state_dict().items())


def test_a_distillation_that_cannot_work_says_why(untrained: Network, spec: InputSpec) -> None:
    images = torch.zeros(2, 3, 8, 8).byte()
    with pytest.raises(InvalidInputError, match="student: it has 9 classes where the teacher has 10"):
        distil_student(untrained, fresh(9), spec, images)
    with pytest.raises(InvalidInputError, match="images: there are none"):
        distil_student(untrained, fresh(), spec, images[:0])
    with pytest.raises(InvalidInputError, match=r"images: pixels are torch\.float32, not uint8"):
        distil_student(untrained, fresh(), spec, images.float())
    with pytest.raises(InvalidInputError, match=r"config\.temperature: 0\.0 is out of range"):
        DistilConfig(temperature=0.0)
