import itertools

import pytest
import torch
from torch import Tensor

from app.lirf.networks import InputSpec, Network, create
from app.lirf.pruning import prune_and_tell
from app.lirf.reconstruction import reconstruct
from app.lirf.selection import Surgeon, least_missed


def moments(seed: int = 0, groups: int = 5, size: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    mixing = torch.randn(groups * size, groups * size, generator=chance).double()
    rows = torch.randn(400, groups * size, generator=chance).double() @ mixing
    wanted = rows @ torch.randn(groups * size, 3, generator=chance).double()
    return rows.T @ rows, rows.T @ wanted, rows, wanted


def error_without(rows: Tensor, wanted: Tensor, stay: list[int], size: int) -> float:
    columns = [group * size + entry for group in stay for entry in range(size)]
    solution = torch.linalg.lstsq(rows[:, columns], wanted).solution
    return float((rows[:, columns] @ solution - wanted).square().sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_first_group_that_goes_is_the_one_whose_loss_a_new_fit_makes_up_best(seed: int) -> None:
    gram, products, rows, wanted = moments(seed)
    stay = least_missed(gram, products, size=2, remove=1).tolist()
    errors = {
        choice: error_without(rows, wanted, list(choice), 2) for choice in itertools.combinations(range(5), 4)
    }
    assert errors[tuple(stay)] == pytest.approx(min(errors.values()))


def test_groups_that_nothing_depends_on_go_first() -> None:
    gram, _, rows, _ = moments()
    wanted = rows[:, [2, 3, 6]]
    stay = least_missed(gram, rows.T @ wanted, size=2, remove=3)
    assert stay.tolist() == [1, 3]


def test_none_goes_when_none_has_to() -> None:
    gram, products, _, _ = moments()
    assert least_missed(gram, products, size=2, remove=0).tolist() == [0, 1, 2, 3, 4]


def test_a_module_whose_filters_were_chosen_so_answers_closer_to_the_original_than_by_norm(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    shallow = original.part(0, 7)
    inputs = spec.normalise(digits[0][:256])

    def error(*, chosen: bool) -> float:
        chance = torch.Generator().manual_seed(0)
        surgeon = Surgeon(shallow, inputs, chance) if chosen else None
        pruned, kept = prune_and_tell(shallow, 0.5, spec.shape, surgeon)
        reconstruct(pruned, shallow, kept, inputs, chance)
        with torch.no_grad():
            unseen = spec.normalise(digits[2])
            return float((pruned.eval()(unseen) - shallow(unseen)).square().mean())

    assert error(chosen=True) < error(chosen=False)


def test_it_leaves_the_choice_to_the_norm_where_several_layers_read_the_maps() -> None:
    net = create("resnet20", 10, 1).part(0, 7).frozen()
    surgeon = Surgeon(net, torch.zeros(4, 1, 8, 8), torch.Generator())
    assert surgeon(["1.conv2", "2.conv1"], 8) is None
    kept = surgeon(["1.conv2"], 6)
    assert kept is not None
    assert len(kept) == 10
