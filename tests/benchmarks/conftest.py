from collections.abc import Iterator

import pytest
import torch

from benchmarks.subject import Subject, random_subject


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def subject() -> Subject:
    return random_subject(0, images=32)
