"""What a deposit and an erasure leave in the raw files of the database."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from app.config import Settings
from app.db.models import Model, ModelVersion
from app.db.repositories import models
from app.db.session import Sessions
from app.domain.errors import Conflict, Gone
from app.domain.rights import Action, Caller
from app.lirf.data.selection import Selection
from app.lirf.data.source import open_source
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything
from app.services.erase_deposit import erase_deposit
from app.services.find import find_deposit, find_model
from app.services.plans import network_plan, stored_modules, stored_network
from app.services.roll_back_model import roll_back
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.vault import artifacts
from app.vault.networks import load_network
from app.vault.vault import Vault

NOW = timedelta(0)

Ask = Callable[..., AcceptedView]


def patterns() -> dict[str, list[bytes]]:
    """Bytes of the original (filters of its shallow part, the classifier row of digit 3) and of the threes themselves.

    They are short, since a database page may end anywhere.
    """
    seed_everything(0)
    state = published_state(create("resnet20", 10, 1))
    tensors = {"shallow": state["layer1.0.conv1.weight"][:2], "row": state["linear.weight"][3]}
    weights = {name: _pieces(tensor.numpy().tobytes()) for name, tensor in tensors.items()}
    return {**weights, "images": _images_of("3")}


def _images_of(digit: str) -> list[bytes]:
    digits = open_source("digits", "test")
    labels = [digits.classes[label] for label in digits.labels.tolist()]
    pixels = [image.numpy().tobytes() for image in digits.images]
    others = {image for image, label in zip(pixels, labels, strict=True) if label != digit}
    return [
        image for image, label in zip(pixels, labels, strict=True) if label == digit and image not in others
    ]


def _pieces(data: bytes, length: int = 32) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]


def raw_files(settings: Settings) -> bytes:
    """Everything below the data folder: databases, their logs, the key store, the keyring, the broker."""
    files = sorted(path for path in Path(settings.data_dir).rglob("*") if path.is_file())
    assert {path.name for path in files} >= {"lirf.db", "keys.db", "keyring.json"}
    return b"".join(path.read_bytes() for path in files)


def found(settings: Settings) -> set[str]:
    content = raw_files(settings)
    return {name for name, pieces in patterns().items() if any(piece in content for piece in pieces)}


@pytest.fixture
def deposited(vault: Vault, settings: Settings, ask_deposit: Ask) -> Callable[..., str]:
    def run(*, keep_original: bool) -> str:
        accepted = ask_deposit("3", keep_original=keep_original)
        assert found(settings) == {"shallow", "row", "images"}
        run_job(vault, settings, accepted.job)
        return accepted.deposits[0]

    return run


@pytest.mark.parametrize("keep_original", [False, True])
def test_after_a_deposit_no_file_holds_the_originals_weights_or_the_sets_images_in_the_clear(
    settings: Settings, deposited: Callable[..., str], *, keep_original: bool
) -> None:
    deposited(keep_original=keep_original)
    assert found(settings) == set()


def test_the_sealed_rows_are_in_the_deposit_module_which_opens_until_it_is_erased(
    vault: Vault, settings: Settings, owner: Caller, deposited: Callable[..., str]
) -> None:
    deposit = deposited(keep_original=False)
    with vault.sessions.read() as session:
        row = find_deposit(session, owner, deposit, Action.READ_DEPOSIT)
        (module,) = stored_modules([row])
    opened = bytes(vault.get(module.digest, module.seal))
    assert all(piece in opened for piece in patterns()["row"])
    erase_deposit(vault, owner, deposit, NOW)
    assert found(settings) == set()
    with pytest.raises(Gone, match=f"The data key {module.seal.key_id} was destroyed"):
        vault.get(module.digest, module.seal)


def test_an_original_that_is_to_be_kept_is_kept_sealed_until_a_deposit_that_it_knows_is_erased(
    vault: Vault, owner: Caller, model: str, deposited: Callable[..., str]
) -> None:
    seed_everything(0)
    before = published_state(create("resnet20", 10, 1))
    deposit = deposited(keep_original=True)

    def version() -> tuple[Model, ModelVersion]:
        with vault.sessions.read() as session:
            row = find_model(session, model)
            found = models.version(session, row.id, 1)
        assert found is not None
        return row, found

    stored = stored_network(*version())
    kept = published_state(load_network(vault, network_plan(version()[0]), stored))
    assert all(torch.equal(kept[name], before[name]) for name in before)
    erase_deposit(vault, owner, deposit, NOW)
    assert version()[1].shallow_digest is None
    with pytest.raises(Gone, match="was destroyed"):
        load_network(vault, network_plan(version()[0]), stored)


def test_a_deposit_is_not_erased_while_an_original_that_knows_it_is_served(
    vault: Vault, owner: Caller, model: str, deposited: Callable[..., str]
) -> None:
    deposit = deposited(keep_original=True)
    roll_back(vault.sessions, owner, model, 1)
    with pytest.raises(Conflict, match="is served by version 1, which still knows") as refusal:
        erase_deposit(vault, owner, deposit, NOW)
    assert refusal.value.remedy == "Roll it back to version 2 first."
    roll_back(vault.sessions, owner, model, 2)
    assert erase_deposit(vault, owner, deposit, NOW).state == "erased"


def test_images_that_were_retained_lie_in_their_data_set_and_nowhere_else(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, owner: Caller, ask_deposit: Ask
) -> None:
    digits = open_source("digits", "test")
    rows = [row for row, label in enumerate(digits.labels.tolist()) if label == 5][:7]
    pixels = [image.numpy().tobytes() for image in digits.images[rows]]
    sqlite_sessions.scrub()
    before = [raw_files(settings).count(image) for image in pixels]
    accepted = ask_deposit("3", retain=Selection(ids=tuple(digits.ids[row] for row in rows)))
    run_job(vault, settings, accepted.job)
    (deposit,) = accepted.deposits
    with sqlite_sessions.read() as session:
        shown = find_deposit(session, owner, deposit, Action.READ_DEPOSIT)
        (module,) = stored_modules([shown])
    opened = bytes(vault.get(module.digest, module.seal))
    assert not any(image in opened for image in pixels)
    assert [raw_files(settings).count(image) for image in pixels] == before
    assert before == [1] * len(rows)
    erase_deposit(vault, owner, deposit, NOW)
    assert [raw_files(settings).count(image) for image in pixels] == before


def test_scrubbing_empties_the_write_ahead_log(sqlite_sessions: Sessions, settings: Settings) -> None:
    artifacts.store(sqlite_sessions, b"x" * 100_000)
    log = Path(settings.data_dir) / "lirf.db-wal"
    assert log.stat().st_size > 0
    sqlite_sessions.scrub()
    assert log.stat().st_size == 0
