"""Two api processes over one database: what is decided through one holds in the other within a second."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.cli.demo.service import RunningService, running_service
from app.client import LirfClient, ProblemError
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

SECOND = 1.0
SPEC = {
    "name": "shared",
    "architecture": "resnet20",
    "classes": [str(digit) for digit in range(10)],
    "input": {"channels": 1, "height": 8, "width": 8},
}
IMAGE = encode_png(open_source("digits", "test").images[0])


@dataclass(frozen=True)
class Pair:
    """Everything is decided through ``first``; ``second`` only answers."""

    first: RunningService
    second: RunningService
    owner: LirfClient
    admin: LirfClient
    deposits: list[str]

    def member(self, name: str) -> Callable[[], str]:
        """A member who has withdrawn the deposit by a grant; tells what the second process answers them with."""
        key = self.admin.create_key(name)["key"]
        self.owner.grant(name, deposit=self.deposits[0])
        with LirfClient(self.first.url, key) as client:
            client.withdraw([self.deposits[0]], "two processes")

        def net() -> str:
            with LirfClient(self.second.url, key) as client:
                return str(client.predict("shared", [IMAGE])[0]["net"])

        return net


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, weights: Callable[[], bytes]) -> Iterator[Pair]:
    folder = str(Path(tmp_path_factory.mktemp("pair")))
    with (
        running_service(LIRF_DATA_DIR=folder) as first,
        running_service("--no-worker", LIRF_DATA_DIR=folder) as second,
        LirfClient(first.url, first.admin_key) as admin,
        LirfClient(first.url, admin.create_key("olga", "owner")["key"]) as owner,
    ):
        owner.builtin_dataset("digits", "digits", "test")
        owner.register_model(SPEC, weights())
        order = {"model": "shared", "dataset": "digits", "select": {"classes": ["3"]}}
        accepted = owner.deposit({**order, "epochs": 1, "settings": {"min_steps": 1}})
        owner.wait(accepted["job"])
        yield Pair(first, second, owner, admin, accepted["deposits"])


def within_a_second(asked: Callable[[], str], wanted: str) -> None:
    deadline = time.monotonic() + SECOND
    while (told := asked()) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    assert told == wanted


def test_a_revoked_grant_ends_recovered_answers_of_the_other_process(pair: Pair) -> None:
    net = pair.member("revoked")
    assert net() == "recover"
    (grant,) = [one for one in _grants(pair) if one["principal"] == "revoked" and one["revoked_at"] is None]
    pair.owner.revoke_grant(str(grant["id"]))
    within_a_second(net, "target")


def test_a_sealed_vault_ends_recovered_answers_of_the_other_process(pair: Pair) -> None:
    net = pair.member("sealed")

    def told() -> str:
        try:
            return net()
        except ProblemError as refusal:
            return str(refusal.status)

    assert told() == "recover"
    pair.admin.seal_vault("two processes")
    within_a_second(told, "503")
    pair.admin.unseal_vault()
    within_a_second(told, "recover")


def test_an_erased_deposit_ends_recovered_answers_of_the_other_process(pair: Pair) -> None:
    net = pair.member("erased")
    assert net() == "recover"
    pair.owner.erase(pair.deposits[0], after=0)
    within_a_second(net, "target")


def _grants(pair: Pair) -> list[dict[str, object]]:
    headers = {"Authorization": f"Bearer {pair.first.admin_key}"}
    grants: list[dict[str, object]] = httpx.get(f"{pair.first.url}/grants", headers=headers).json()
    return grants
