import pytest

from app.lirf.errors import InvalidInputError
from benchmarks.subject import class_indices

KNOWN = ("plane", "car", "bird")


def test_classes_are_found_by_name_in_the_order_of_the_outputs() -> None:
    assert class_indices(KNOWN, ["bird", "plane"]) == (0, 2)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["tram"], r"classes: 'tram' is no class of the data\. Choose among plane, car, bird\."),
        (["car", "car"], r"classes: 'car' is given twice\."),
        (list(KNOWN), r"classes: 3 of 3 are named\. Name at least one and leave at least one\."),
    ],
)
def test_classes_that_cannot_be_deposited_are_refused(names: list[str], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        class_indices(KNOWN, names)
