from dataclasses import replace
from typing import Any

import pytest
import torch

from app.lirf.data.dataset import ImageDataset
from app.lirf.errors import InvalidInputError


def test_a_valid_data_set_reports_its_length_and_shape(dataset: ImageDataset) -> None:
    assert len(dataset) == 8
    assert dataset.shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"labels": torch.zeros(7, dtype=torch.int64)}, "dataset.labels", "7 values for 8 images"),
        ({"ids": ("a",)}, "dataset.ids", "1 values for 8 images"),
        ({"metadata": {"owner": ("ann",)}}, "dataset.metadata.owner", "1 values"),
        ({"labels": torch.tensor([0, 1, 2, 0, 3, 2, 0, 1])}, "dataset.labels", "Row 4 has label 3"),
        ({"labels": torch.tensor([0, 1, 2, 0, 1, 2, 0, -1])}, "dataset.labels", "Row 7 has label -1"),
        ({"labels": torch.zeros(8)}, "dataset.labels", "float32"),
        ({"ids": ("a", "b", "c", "a", "e", "f", "g", "h")}, "dataset.ids", "Rows 0 and 3"),
        ({"classes": ("cat", "dog", "cat")}, "dataset.classes", "'cat'"),
        ({"classes": ("cat", "dog", "")}, "dataset.classes", "''"),
        ({"images": torch.zeros(8, 3, 4, 5)}, "dataset.images", "float32"),
        ({"images": torch.zeros(8, 4, 5, dtype=torch.uint8)}, "dataset.images", "3 dimensions"),
        ({"images": torch.zeros(8, 2, 4, 5, dtype=torch.uint8)}, "dataset.images", "(2, 4, 5)"),
        ({"metadata": {"tags": (["x"],) * 8}}, "dataset.metadata.tags", "list"),
    ],
)
def test_what_does_not_agree_is_refused_by_name(
    dataset: ImageDataset, change: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        replace(dataset, **change)
    assert refusal.value.field == field
    assert says in refusal.value.problem


def test_an_empty_data_set_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no images"):
        ImageDataset(
            torch.zeros(0, 3, 4, 5, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), (), ("a",)
        )


def test_a_subset_keeps_rows_in_the_order_asked_for(dataset: ImageDataset) -> None:
    part = dataset.subset(torch.tensor([5, 0]))
    assert part.ids == ("row-5", "row-0")
    assert part.labels.tolist() == [2, 0]
    assert torch.equal(part.images, dataset.images[[5, 0]])
    assert part.metadata["score"] == (2.5, 0.5)
    assert part.classes == dataset.classes


@pytest.mark.parametrize("indices", [[], [8], [-1], [1, 1]])
def test_an_impossible_subset_is_refused(dataset: ImageDataset, indices: list[int]) -> None:
    with pytest.raises(InvalidInputError):
        dataset.subset(indices)


def test_relabelling_follows_class_names(dataset: ImageDataset) -> None:
    moved = dataset.relabel(("frog", "owl", "cat", "dog"))
    assert [moved.classes[label] for label in moved.labels.tolist()] == [
        dataset.classes[label] for label in dataset.labels.tolist()
    ]


def test_relabelling_allows_an_unknown_class_only_without_rows(dataset: ImageDataset) -> None:
    assert dataset.subset([0, 1]).relabel(("dog", "cat")).labels.tolist() == [1, 0]
    with pytest.raises(InvalidInputError, match="'frog'"):
        dataset.relabel(("dog", "cat"))


def test_the_text_form_is_short(dataset: ImageDataset) -> None:
    assert len(repr(dataset)) < 100
