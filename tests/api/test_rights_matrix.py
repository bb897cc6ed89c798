"""The table of rights over HTTP: every action, for every role, on what is the caller's own and on what is another's.

Calls are chosen so that a caller who may is stopped by the next check or changes nothing; so each can be asked of each.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from app.db.models import Deposit
from app.db.session import Sessions
from app.domain.lifecycle import DEPOSIT_FORGOTTEN, DepositState
from app.domain.rights import RIGHTS, Action, Reach, Role

Json = dict[str, Any]
Headers = dict[str, str]

CALLERS = {"admin": Role.ADMIN, "owner": Role.OWNER, "stranger": Role.OWNER, "member": Role.MEMBER}
"""Who asks; the things that are asked about belong to ``owner``."""

FORBIDDEN, HIDDEN = (403, None), (404, None)


@dataclass(frozen=True)
class Things:
    """What is asked about: all of it the owner's."""

    model: str
    data: str
    deposit: str
    job: str
    withdrawal: str


@dataclass(frozen=True)
class Call:
    """One request, and what it answers to a caller who may and to one who may not: status and field.

    A field tells the refusal of a check further on from that of the right.
    """

    method: str
    path: str
    allowed: tuple[int, str | None]
    denied: tuple[int, str | None]
    body: Json | None = None


def calls(things: Things) -> dict[Action, Call]:
    forget_nothing = {"model": things.model, "dataset": things.data, "select": {"classes": ["eleven"]}}
    nobody = {"principal": "nobody-at-all", "deposit": things.deposit}
    for_nobody = {"deposits": [things.deposit], "reason": "x", "scope": {"principal": "nobody-at-all"}}
    untrained = {
        "name": "never",
        "architecture": "resnet20",
        "classes": ["a", "b"],
        "input": {"channels": 1, "height": 8, "width": 8},
        "train": {"dataset": "no-such-data"},
    }
    row = f"/predict?model={things.model}&image=AAAA"
    return {
        Action.MANAGE_KEYS: Call("GET", "/keys", (200, None), FORBIDDEN),
        Action.MANAGE_VAULT: Call("GET", "/vault", (200, None), FORBIDDEN),
        Action.CREATE_MODEL: Call("POST", "/models", (404, "train.dataset"), FORBIDDEN, untrained),
        Action.CREATE_DATASET: Call(
            "POST", "/datasets", (409, "name"), FORBIDDEN, {"name": things.data, "builtin": "digits"}
        ),
        Action.READ_MODEL: Call("GET", f"/models/{things.model}", (200, None), FORBIDDEN),
        Action.PREDICT: Call("GET", row, (422, "image"), FORBIDDEN),
        Action.READ_DATASET: Call("GET", f"/datasets/{things.data}", (200, None), (404, "dataset")),
        Action.DEPOSIT: Call("POST", "/deposits", (422, "select.classes"), FORBIDDEN, forget_nothing),
        Action.ROLLBACK: Call(
            "POST", f"/models/{things.model}/rollback", (404, "version"), FORBIDDEN, {"version": 99}
        ),
        Action.UNLOAD_MODEL: Call(
            "POST", f"/v2/repository/models/{things.model}/unload", (200, None), FORBIDDEN
        ),
        Action.READ_DEPOSIT: Call("GET", f"/deposits/{things.deposit}", (200, None), (404, "deposit")),
        Action.AUDIT_DEPOSIT: Call(
            "POST",
            f"/deposits/{things.deposit}/audits",
            (404, "dataset"),
            (404, "deposit"),
            {"dataset": "no-such-data"},
        ),
        Action.READ_KEPT_IMAGES: Call(
            "GET", f"/deposits/{things.deposit}/images", (409, "deposit"), (404, "deposit")
        ),
        Action.ERASE_DEPOSIT: Call(
            "DELETE", f"/deposits/{things.deposit}/erasure", (409, "deposit"), (404, "deposit")
        ),
        Action.GRANT: Call("POST", "/grants", (404, "principal"), (404, "deposit"), nobody),
        Action.READ_LEDGER: Call("GET", "/audit", (200, None), FORBIDDEN),
        Action.READ_JOB: Call("GET", f"/jobs/{things.job}", (200, None), (404, "job")),
        Action.CANCEL_JOB: Call("DELETE", f"/jobs/{things.job}", (409, "job"), (404, "job")),
        Action.END_WITHDRAWAL: Call(
            "DELETE", f"/withdrawals/{things.withdrawal}", (200, None), (404, "withdrawal")
        ),
        Action.WITHDRAW_FOR_EVERYONE: Call(
            "POST", "/withdrawals", (404, "scope"), (403, "deposits"), for_nobody
        ),
    }


@pytest.fixture(scope="module")
def keys(
    admin: Headers, owner: Headers, member: Headers, headers_of: Callable[..., Headers]
) -> dict[str, Headers]:
    stranger = headers_of("matrix-stranger", "owner")
    return {"admin": admin, "owner": owner, "stranger": stranger, "member": member}


@pytest.fixture(scope="module")
def things(http: httpx.Client, owner: Headers, data: str, deposit: str) -> Things:
    wish = {"deposits": [deposit], "reason": "matrix"}
    withdrawal = http.post("/withdrawals", json=wish, headers=owner).json()["id"]
    http.delete(f"/withdrawals/{withdrawal}", headers=owner)
    job = http.get(f"/deposits/{deposit}", headers=owner).json()["job"]
    return Things("deposited", data, deposit, job, withdrawal)


def answer_of(http: httpx.Client, call: Call, headers: Headers) -> tuple[int, str | None]:
    answer = http.request(call.method, call.path, json=call.body, headers=headers)
    content = json.loads(answer.text)
    field = None if answer.is_success or not isinstance(content, dict) else content.get("field")
    return answer.status_code, field


def may(action: Action, name: str) -> bool:
    """As the table says, for a thing that is the owner's; what needs no owner is everybody's own."""
    reach = RIGHTS[action][CALLERS[name]]
    own = name == "owner" or action == Action.READ_LEDGER
    return reach is Reach.ALL or (reach is Reach.OWN and own)


@pytest.mark.parametrize(("action", "name"), list(itertools.product(Action, CALLERS)))
def test_every_action_is_allowed_and_denied_as_the_table_says(
    http: httpx.Client, keys: dict[str, Headers], things: Things, action: Action, name: str
) -> None:
    call = calls(things)[action]
    expected = call.allowed if may(action, name) else call.denied
    assert answer_of(http, call, keys[name]) == expected


def test_a_grant_lets_nobody_withdraw_for_others(
    http: httpx.Client, keys: dict[str, Headers], things: Things
) -> None:
    body = {"principal": "member", "deposit": things.deposit}
    grant = http.post("/grants", json=body, headers=keys["owner"]).json()["id"]
    try:
        for scope in ("everyone", {"principal": "owner"}):
            wish = {"deposits": [things.deposit], "reason": "x", "scope": scope}
            answer = http.post("/withdrawals", json=wish, headers=keys["member"])
            assert answer.status_code == 403
            assert "may not withdraw for everyone" in answer.json()["detail"]
    finally:
        http.delete(f"/grants/{grant}", headers=keys["owner"])


def test_no_action_is_left_out(things: Things) -> None:
    assert set(calls(things)) == set(Action)


@pytest.fixture
def in_state(database: Sessions, things: Things, state: DepositState) -> DepositState:
    def put(value: str) -> None:
        with database.write() as session:
            session.execute(update(Deposit).where(Deposit.id == things.deposit).values(state=value))

    put(state)
    yield state
    put(DepositState.SEALED)


AFTER_THE_RIGHT = {
    DepositState.QUEUED: 409,
    DepositState.TRAINING: 409,
    DepositState.SEALED: 201,
    DepositState.DISABLED: 410,
    DepositState.ERASED: 410,
    DepositState.FAILED: 409,
    DepositState.CANCELLED: 409,
}
"""What a withdrawal answers to a caller who holds the right, by the deposit's state."""


OVER = {DepositState.DISABLED, DepositState.ERASED}
ON_A_DEPOSIT: dict[Action, Callable[[DepositState], int]] = {
    Action.READ_DEPOSIT: lambda _: 200,
    Action.AUDIT_DEPOSIT: lambda state: 404 if state in DEPOSIT_FORGOTTEN else 409,
    Action.READ_KEPT_IMAGES: lambda state: 410 if state in OVER else 409,
    Action.ERASE_DEPOSIT: lambda state: {DepositState.ERASED: 410, DepositState.DISABLED: 200}.get(
        state, 409
    ),
    Action.GRANT: lambda _: 404,
}
"""What the calls above answer to a caller who may, by the deposit's state."""


@pytest.mark.parametrize("action", list(ON_A_DEPOSIT))
@pytest.mark.parametrize(("state", "name"), list(itertools.product(DepositState, CALLERS)))
def test_an_action_on_a_deposit_in_any_state_shows_the_state_only_to_those_who_may(
    http: httpx.Client,
    keys: dict[str, Headers],
    things: Things,
    in_state: DepositState,
    name: str,
    action: Action,
) -> None:
    call = calls(things)[action]
    status, field = answer_of(http, call, keys[name])
    if may(action, name):
        assert status == ON_A_DEPOSIT[action](in_state)
    else:
        assert (status, field) == call.denied


@pytest.mark.parametrize("granted", [False, True])
@pytest.mark.parametrize(("state", "name"), list(itertools.product(DepositState, CALLERS)))
def test_withdrawing_answers_by_right_first_and_by_state_only_to_those_who_have_it(
    http: httpx.Client,
    keys: dict[str, Headers],
    things: Things,
    in_state: DepositState,
    name: str,
    *,
    granted: bool,
) -> None:
    principal = {"admin": "admin", "owner": "owner", "stranger": "matrix-stranger", "member": "member"}[name]
    grant = None
    if granted:
        body = {"principal": principal, "deposit": things.deposit}
        grant = http.post("/grants", json=body, headers=keys["owner"]).json()["id"]
    answer = http.post(
        "/withdrawals", json={"deposits": [things.deposit], "reason": "matrix"}, headers=keys[name]
    )
    try:
        allowed = granted or name in {"admin", "owner"}
        assert answer.status_code == (AFTER_THE_RIGHT[in_state] if allowed else 403), answer.text
    finally:
        if grant:
            http.delete(f"/grants/{grant}", headers=keys["owner"])
        if answer.is_success:
            http.delete(f"/withdrawals/{answer.json()['id']}", headers=keys[name])


def test_a_member_cannot_tell_an_unknown_deposit_from_a_forbidden_one(
    http: httpx.Client, keys: dict[str, Headers], things: Things
) -> None:
    told = []
    for deposit in (things.deposit, "dep_00000000000000000000"):
        answers = [
            http.get(f"/deposits/{deposit}", headers=keys["member"]),
            http.get(f"/deposits/{deposit}/certificate", headers=keys["member"]),
            http.get(f"/deposits/{deposit}/images", headers=keys["member"]),
            http.delete(f"/deposits/{deposit}", headers=keys["member"]),
            http.delete(f"/deposits/{deposit}/erasure", headers=keys["member"]),
            http.post("/grants", json={"principal": "member", "deposit": deposit}, headers=keys["member"]),
            http.post("/withdrawals", json={"deposits": [deposit], "reason": "x"}, headers=keys["member"]),
        ]
        told.append([(answer.status_code, answer.text.replace(deposit, "ID")) for answer in answers])
    assert told[0] == told[1]
