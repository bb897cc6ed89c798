from dataclasses import replace
from typing import Any

import pytest
import torch

from app.lirf.data.dataset import ImageDataset
from app.lirf.data.selection import RemovedError, Selection, row_hashes, select, set_digest
from app.lirf.errors import InvalidInputError


def refusal_of(dataset: ImageDataset, **how: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as refusal:
        select(dataset, Selection(**how))
    assert refusal.value.remedy
    return refusal.value


def test_classes_select_all_their_rows(dataset: ImageDataset) -> None:
    found = select(dataset, Selection(classes=("frog", "cat")))
    assert found.indices.tolist() == [0, 2, 3, 5, 6]
    assert found.indices.dtype == torch.int64
    assert found.classes == (0, 2)


def test_ids_select_their_rows_in_the_order_of_the_data_set(dataset: ImageDataset) -> None:
    found = select(dataset, Selection(ids=("row-7", "row-0")))
    assert found.indices.tolist() == [0, 7]
    assert found.classes is None


def test_where_needs_every_column_and_any_of_its_values(dataset: ImageDataset) -> None:
    found = select(dataset, Selection(where={"owner": ("ann", None), "sharp": (False,)}))
    assert found.indices.tolist() == [6, 7]


def test_whole_classes_are_recognised_however_selected(dataset: ImageDataset) -> None:
    assert select(dataset, Selection(ids=("row-2", "row-5"))).classes == (2,)
    assert select(dataset, Selection(where={"year": (2, 3)})).classes == (1, 2)
    assert select(dataset, Selection(ids=("row-2", "row-5", "row-0"))).classes is None


def test_true_and_one_are_different_values(dataset: ImageDataset) -> None:
    assert refusal_of(dataset, where={"sharp": (1,)}).field == "select.where.sharp"
    assert refusal_of(dataset, where={"year": (True,)}).field == "select.where.year"


def test_text_for_a_number_is_refused_with_the_values_there_are(dataset: ImageDataset) -> None:
    refusal = refusal_of(dataset, where={"year": ("1",)})
    assert "'1' never occurs" in refusal.problem
    assert "1, 2, 3" in refusal.remedy


@pytest.mark.parametrize("how", [{}, {"classes": ("cat",), "ids": ("row-0",)}])
def test_exactly_one_way_is_needed(dataset: ImageDataset, how: dict[str, Any]) -> None:
    assert refusal_of(dataset, **how).field == "select"


def test_an_unknown_class_gets_a_suggestion_and_the_list(dataset: ImageDataset) -> None:
    refusal = refusal_of(dataset, classes=("catt",))
    assert refusal.field == "select.classes"
    assert "Did you mean 'cat'?" in refusal.remedy
    assert "'dog', 'frog'" in refusal.remedy


def test_a_class_without_rows_is_refused(dataset: ImageDataset) -> None:
    wider = replace(dataset, classes=("cat", "dog", "frog", "owl"))
    assert "'owl' has no images" in refusal_of(wider, classes=("owl",)).problem


def test_unknown_ids_are_counted_and_the_first_few_named(dataset: ImageDataset) -> None:
    refusal = refusal_of(dataset, ids=("row-0", *(f"x{number}" for number in range(30))))
    assert refusal.field == "select.ids"
    assert refusal.problem.startswith("30 of 31 ids are not in the data set: 'x0', 'x1'")
    assert "and 20 more" in refusal.problem


def test_an_unknown_column_lists_the_columns(dataset: ImageDataset) -> None:
    refusal = refusal_of(dataset, where={"ownr": ("ann",)})
    assert refusal.field == "select.where"
    assert "Did you mean 'owner'?" in refusal.remedy
    assert "'year'" in refusal.remedy


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"classes": ()}, "select.classes"),
        ({"ids": ()}, "select.ids"),
        ({"where": {}}, "select.where"),
        ({"where": {"owner": ()}}, "select.where.owner"),
        ({"classes": "cat"}, "select.classes"),
        ({"classes": ("cat", "cat")}, "select.classes"),
        ({"ids": ("row-1", "row-1")}, "select.ids"),
        ({"where": {"owner": ("ann", "ann")}}, "select.where.owner"),
        ({"where": {"owner": (["ann"],)}}, "select.where.owner"),
        ({"where": {"owner": ("bob",), "sharp": (True,)}}, "select.where"),
    ],
)
def test_empty_repeated_and_odd_selections_are_refused(
    dataset: ImageDataset, how: dict[str, Any], field: str
) -> None:
    assert refusal_of(dataset, **how).field == field


@pytest.mark.parametrize(
    "how",
    [
        {"classes": ("cat", "dog", "frog")},
        {"ids": tuple(f"row-{row}" for row in range(8))},
        {"where": {"sharp": (True, False)}},
    ],
)
def test_the_whole_data_set_is_refused(dataset: ImageDataset, how: dict[str, Any]) -> None:
    refusal = refusal_of(dataset, **how)
    assert refusal.field == "select"
    assert "delete the model" in refusal.remedy


def digest(dataset: ImageDataset, rows: torch.Tensor) -> str:
    return set_digest(row_hashes(dataset), rows.tolist())


def test_the_digest_is_the_same_however_selected_ordered_and_named(dataset: ImageDataset) -> None:
    by_class = select(dataset, Selection(classes=("frog",))).indices
    by_id = select(dataset, Selection(ids=("row-5", "row-2"))).indices
    other = dataset.subset([5, 1, 2]).relabel(("owl", "frog", "dog"))
    renamed = replace(other, ids=("x", "y", "z"))
    expected = digest(dataset, by_class)
    assert len(expected) == 64
    assert digest(dataset, by_id) == expected
    assert digest(dataset, by_class.flip(0)) == expected
    assert digest(renamed, torch.tensor([0, 2])) == expected


def test_the_digest_changes_with_a_pixel_a_label_or_a_row(dataset: ImageDataset) -> None:
    rows = torch.tensor([2, 5])
    expected = digest(dataset, rows)
    pixels = dataset.images.clone()
    pixels[2, 0, 0, 0] ^= 1
    labels = dataset.labels.clone()
    labels[5] = 0
    turned = replace(dataset, images=dataset.images.reshape(8, 3, 5, 4))
    assert digest(replace(dataset, images=pixels), rows) != expected
    assert digest(replace(dataset, labels=labels), rows) != expected
    assert digest(turned, rows) != expected
    assert digest(dataset, torch.tensor([2, 5, 0])) != expected


REMOVED = torch.tensor([name in {"row-2", "row-3"} for name in (f"row-{row}" for row in range(8))])


def test_rows_without_images_are_no_part_of_a_class_or_a_column_value(dataset: ImageDataset) -> None:
    assert select(dataset, Selection(classes=("frog", "cat")), removed=REMOVED).indices.tolist() == [0, 5, 6]
    assert select(dataset, Selection(classes=("frog",)), removed=REMOVED).classes is not None
    everything = Selection(
        ids=tuple(name for name, gone in zip(dataset.ids, REMOVED, strict=True) if not gone)
    )
    with pytest.raises(InvalidInputError, match="The whole data set is selected"):
        select(dataset, everything, removed=REMOVED)


def test_a_class_of_which_no_image_is_left_is_refused_beside_another(dataset: ImageDataset) -> None:
    gone = dataset.labels == 2
    with pytest.raises(RemovedError, match="left the data set when they were deposited"):
        select(dataset, Selection(classes=(dataset.classes[0], dataset.classes[2])), removed=gone)


def test_ids_of_rows_without_images_are_refused(dataset: ImageDataset) -> None:
    with pytest.raises(InvalidInputError, match="1 of the 2 images selected left the data set") as refusal:
        select(dataset, Selection(ids=("row-0", "row-2")), removed=REMOVED)
    assert refusal.value.field == "select.ids"
    assert "'row-2'" in refusal.value.problem


def test_a_selection_of_nothing_but_removed_rows_is_refused(dataset: ImageDataset) -> None:
    gone = dataset.labels == 2
    with pytest.raises(InvalidInputError, match=r"left the data set when they were deposited") as refusal:
        select(dataset, Selection(classes=(dataset.classes[2],)), removed=gone)
    assert refusal.value.field == "select"
