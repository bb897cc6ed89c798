"""One matrix says what Eq. 5 says of the features of all parts."""

import pytest
import torch
from torch import nn

from app.inference.rows import Rows
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import Network, published_state
from app.lirf.recover import RecoverNet
from app.lirf.rows import take_rows, without_rows

CLASSES, WIDTH = 6, 5


def net(sets: list[tuple[int, ...] | None]) -> RecoverNet:
    """Of blocks so small that features can be read off: a shallow layer, and a classifier."""
    torch.manual_seed(0)
    blocks = [nn.Conv2d(3, WIDTH, 2), nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, CLASSES))]
    original = Network(blocks, ["a", "b"]).eval()
    modules = []
    for classes in sets:
        branch = {
            name: torch.randn_like(value) for name, value in published_state(original.part(0, 1)).items()
        }
        rows = take_rows(original, classes) if classes else {}
        modules.append(DepositModule(branch | rows, LogitFilter.of(classes), 1, 0.0))
    forgotten = [index for classes in sets for index in classes or ()]
    return RecoverNet(without_rows(original, forgotten), modules, 1)


@pytest.mark.parametrize("sets", [[], [(2,)], [None], [(4, 1), None, (0,), None]])
def test_probabilities_are_those_of_the_composed_net(sets: list[tuple[int, ...] | None]) -> None:
    composed = net(sets)
    images = torch.randn(7, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        parts = [part(images).flatten(1) for part in (composed.shallow, *composed.branches)]
        expected = composed(images).softmax(dim=1)
    rows = Rows.of(composed)
    found = rows.probabilities(torch.cat(parts).numpy())
    torch.testing.assert_close(torch.from_numpy(found), expected)
    one = rows.of_one(torch.cat([part[:1] for part in parts]).numpy())
    torch.testing.assert_close(torch.from_numpy(one), expected[:1])
