"""What a deposit and an erasure leave in the raw files of the database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.config import Settings
from app.db.session import Sessions
from app.domain.rights import Action, Caller
from app.lirf.data.selection import Selection
from app.lirf.data.source import open_source
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything
from app.services.erase_deposit import erase_deposit
from app.services.find import find_deposit
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.vault import artifacts

Ask = Callable[..., AcceptedView]


def patterns() -> dict[str, list[bytes]]:
    """Bytes of the fixture's original: filters of its shallow part, and the classifier row of digit 3.

    They are short, since a database page may end anywhere.
    """
    seed_everything(0)
    state = published_state(create("resnet20", 10, 1))
    tensors = {"shallow": state["layer1.0.conv1.weight"][:2], "row": state["linear.weight"][3]}
    return {name: _pieces(tensor.numpy().tobytes()) for name, tensor in tensors.items()}


def _pieces(data: bytes, length: int = 32) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]


def raw_files(settings: Settings) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(settings.data_dir).glob("lirf.db*")))


def found(settings: Settings) -> set[str]:
    content = raw_files(settings)
    return {name for name, pieces in patterns().items() if any(piece in content for piece in pieces)}


@pytest.fixture
def deposited(sqlite_sessions: Sessions, settings: Settings, ask_deposit: Ask) -> Callable[..., str]:
    def run(*, keep_original: bool) -> str:
        accepted = ask_deposit("3", keep_original=keep_original)
        assert found(settings) == {"shallow", "row"}
        run_job(sqlite_sessions, settings, accepted.job)
        return accepted.deposits[0]

    return run


def test_after_a_deposit_no_file_holds_the_originals_shallow_part(
    settings: Settings, deposited: Callable[..., str]
) -> None:
    deposited(keep_original=False)
    assert "shallow" not in found(settings)


def test_the_sealed_rows_lie_in_the_deposit_module_alone_and_go_with_it(
    sqlite_sessions: Sessions, settings: Settings, owner: Caller, deposited: Callable[..., str]
) -> None:
    deposit = deposited(keep_original=False)
    assert max(raw_files(settings).count(piece) for piece in patterns()["row"]) == 1
    erase_deposit(sqlite_sessions, owner, deposit)
    assert found(settings) == set()


def test_an_original_that_is_to_be_kept_is_kept(settings: Settings, deposited: Callable[..., str]) -> None:
    deposited(keep_original=True)
    assert found(settings) == {"shallow", "row"}


def test_images_that_were_retained_lie_in_their_data_set_and_nowhere_else(
    sqlite_sessions: Sessions, settings: Settings, owner: Caller, ask_deposit: Ask
) -> None:
    digits = open_source("digits", "test")
    rows = [row for row, label in enumerate(digits.labels.tolist()) if label == 5][:7]
    pixels = [image.numpy().tobytes() for image in digits.images[rows]]
    sqlite_sessions.scrub()
    before = [raw_files(settings).count(image) for image in pixels]
    accepted = ask_deposit("3", retain=Selection(ids=tuple(digits.ids[row] for row in rows)))
    run_job(sqlite_sessions, settings, accepted.job)
    (deposit,) = accepted.deposits
    with sqlite_sessions.read() as session:
        shown = find_deposit(session, owner, deposit, Action.READ_DEPOSIT)
        (module,) = shown.modules
        assert module.digest is not None
        sealed = artifacts.load(sqlite_sessions, module.digest)
    assert not any(image in sealed for image in pixels)
    assert [raw_files(settings).count(image) for image in pixels] == before
    assert before == [1] * len(rows)
    erase_deposit(sqlite_sessions, owner, deposit)
    assert [raw_files(settings).count(image) for image in pixels] == before


def test_scrubbing_empties_the_write_ahead_log(sqlite_sessions: Sessions, settings: Settings) -> None:
    artifacts.store(sqlite_sessions, b"x" * 100_000)
    log = Path(settings.data_dir) / "lirf.db-wal"
    assert log.stat().st_size > 0
    sqlite_sessions.scrub()
    assert log.stat().st_size == 0
