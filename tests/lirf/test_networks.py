import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet34, resnet50

from app.lirf.checkpoint import check_fit, read_torch_checkpoint
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracy, logits
from app.lirf.networks import (
    InputSpec,
    Network,
    available,
    block_names,
    classifier,
    create,
    default_split,
    load_published,
    published_state,
)

CHECKPOINTS = Path(__file__).parents[3] / "shared" / "checkpoints"
CIFAR10 = Path(__file__).parents[3] / "shared" / "data" / "cifar10" / "test.parquet"
IMAGENET = InputSpec(3, 32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PUBLISHED = [("resnet20", "resnet20-12fca82f.th", 91.73), ("resnet32", "resnet32-d509ac18.th", 92.63)]


@pytest.mark.parametrize("architecture", available())
def test_every_named_architecture_answers_one_logit_per_class(architecture: str) -> None:
    net = create(architecture, num_classes=7, in_channels=1).frozen()
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert classifier(net).out_features == 7
    assert 1 <= default_split(architecture) < len(net)
    assert len(block_names(net)) == len(net)


@pytest.mark.parametrize(
    ("builder", "name"), [(resnet18, "resnet18"), (resnet34, "resnet34"), (resnet50, "resnet50")]
)
def test_a_torchvision_network_answers_bit_for_bit_like_torchvision_with_the_same_weights(
    builder: type[nn.Module], name: str
) -> None:
    torch.manual_seed(1)
    theirs = builder(num_classes=5).eval()
    ours = load_published(create(name, num_classes=5), theirs.state_dict()).frozen()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_published_names_of_torchvision_are_all_there() -> None:
    theirs = {
        name for name in resnet18(num_classes=5).state_dict() if not name.endswith("num_batches_tracked")
    }
    assert set(published_state(create("resnet18", num_classes=5))) == theirs


@pytest.mark.parametrize(("architecture", "file", "_published"), PUBLISHED)
def test_a_published_checkpoint_loads_unchanged_under_its_own_names(
    architecture: str, file: str, _published: float
) -> None:
    if not (CHECKPOINTS / file).exists():
        pytest.skip(f"{file} is not on this machine")
    tensors = read_torch_checkpoint(CHECKPOINTS / file)
    net = create(architecture, num_classes=10)
    check_fit(tensors, net)
    loaded = published_state(load_published(net, tensors))
    assert list(loaded) == list(tensors)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "file", "published"), PUBLISHED)
def test_a_published_checkpoint_scores_its_published_accuracy(
    architecture: str, file: str, published: float
) -> None:
    if not (CHECKPOINTS / file).exists() or not CIFAR10.exists():
        pytest.skip(f"{file} or CIFAR-10 is not on this machine")
    images, labels = _parquet(CIFAR10)
    net = load_published(create(architecture, num_classes=10), read_torch_checkpoint(CHECKPOINTS / file))
    assert accuracy(logits(net, images, IMAGENET), labels) == pytest.approx(published, abs=0.005)


def test_block_names_tell_where_a_split_falls() -> None:
    names = block_names(create("resnet20", num_classes=10))
    assert names[0] == "stem"
    assert names[6:8] == ("layer2.2", "layer3.0")
    assert names[-1] == "head"
    assert default_split("resnet20") == 10


def test_an_unknown_architecture_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(
        InvalidInputError, match=r'architecture: "resnet999" is unknown. Choose one of resnet20'
    ) as caught:
        create("resnet999", num_classes=10)
    assert caught.value.field == "architecture"
    assert "package.module:factory" in caught.value.remedy


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="num_classes: 1 is too few"):
        create("resnet20", num_classes=1)


@pytest.fixture
def user_package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    package = ModuleType("their_nets")
    monkeypatch.setitem(sys.modules, "their_nets", package)
    return package


def test_a_users_own_sequence_of_blocks_is_taken_by_import_path(user_package: ModuleType) -> None:
    def factory(num_classes: int, in_channels: int) -> nn.Sequential:
        body = nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        return nn.Sequential(
            body, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
        )

    user_package.factory = factory  # type: ignore[attr-defined]
    net = create("their_nets:factory", num_classes=6)
    assert isinstance(net, Network)
    assert net.frozen()(torch.zeros(1, 3, 8, 8)).shape == (1, 6)
    assert {"0.0.weight", "1.2.bias"} <= set(published_state(net))
    assert default_split("their_nets:factory") == 1


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (nn.Linear(3, 10), "not a list of blocks"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), "no nn.Linear with a bias"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 10, bias=False)), "no nn.Linear with a bias"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 4)), "4 outputs for 10 classes"),
    ],
)
def test_a_users_network_that_is_no_list_of_blocks_is_refused(
    user_package: ModuleType, built: nn.Module, message: str
) -> None:
    user_package.factory = lambda **_: built  # type: ignore[attr-defined]
    with pytest.raises(InvalidInputError, match=message):
        create("their_nets:factory", num_classes=10)


@pytest.mark.parametrize("path", ["no.such.package:factory", "json:no_such_factory", ":factory"])
def test_an_import_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be imported"):
        create(path, num_classes=10)


def test_pixels_are_normalised_per_channel() -> None:
    spec = InputSpec(2, 1, 1, (0.5, 0.25), (0.5, 0.25))
    images = torch.tensor([255, 0], dtype=torch.uint8).view(1, 2, 1, 1)
    assert spec.normalise(images).flatten().tolist() == [1.0, -1.0]


def test_images_that_do_not_fit_are_refused_with_both_shapes() -> None:
    with pytest.raises(InvalidInputError, match=r"\[2, 3, 9, 8\] does not fit \[N, 3, 32, 32\]"):
        IMAGENET.normalise(torch.zeros(2, 3, 9, 8, dtype=torch.uint8))
    with pytest.raises(InvalidInputError, match=r"torch\.float32, not uint8"):
        IMAGENET.normalise(torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((3, 0, 8, (0.5,) * 3, (0.5,) * 3), "input.height"),
        ((3, 8, 8, (0.5,), (0.5,) * 3), "input.mean"),
        ((3, 8, 8, (0.5,) * 3, (0.5, 0.5, 0.0)), "input.std"),
    ],
)
def test_an_input_spec_that_cannot_be_is_refused_by_field(arguments: tuple[object, ...], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        InputSpec(*arguments)  # type: ignore[arg-type]
    assert caught.value.field == field


def _parquet(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    import io  # noqa: PLC0415 - only the slow test reads Parquet

    import numpy as np  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    table = pq.read_table(path)
    pixels = [np.asarray(Image.open(io.BytesIO(row["bytes"].as_py()))) for row in table["img"]]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(table["label"].to_pylist())
