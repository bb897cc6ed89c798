import itertools

import pytest

from app.domain.errors import ServiceError
from app.domain.rights import RIGHTS, Action, Caller, Role, may, may_withdraw

ANYONE = set(Role)
MAKERS = {Role.ADMIN, Role.OWNER}
ADMINS = {Role.ADMIN}

# who may do it to what is another's, and who may do it to what is their own
EXPECTED = {
    Action.MANAGE_KEYS: (ADMINS, ADMINS),
    Action.MANAGE_VAULT: (ADMINS, ADMINS),
    Action.READ_LEDGER: (ADMINS, MAKERS),
    Action.CREATE_MODEL: (MAKERS, MAKERS),
    Action.CREATE_DATASET: (MAKERS, MAKERS),
    Action.READ_MODEL: (ANYONE, ANYONE),
    Action.PREDICT: (ANYONE, ANYONE),
    Action.READ_DATASET: (ADMINS, MAKERS),
    Action.DEPOSIT: (ADMINS, MAKERS),
    Action.ROLLBACK: (ADMINS, MAKERS),
    Action.READ_DEPOSIT: (ADMINS, MAKERS),
    Action.UNLOAD_MODEL: (ADMINS, MAKERS),
    Action.AUDIT_DEPOSIT: (ADMINS, MAKERS),
    Action.READ_KEPT_IMAGES: (ADMINS, MAKERS),
    Action.ERASE_DEPOSIT: (ADMINS, MAKERS),
    Action.GRANT: (ADMINS, MAKERS),
    Action.READ_JOB: (ADMINS, MAKERS),
    Action.CANCEL_JOB: (ADMINS, MAKERS),
    Action.END_WITHDRAWAL: (ADMINS, ANYONE),
    Action.WITHDRAW_FOR_EVERYONE: (ADMINS, MAKERS),
}


def caller(role: Role) -> Caller:
    return Caller("prn_me", "me", role, "key")


def test_the_table_covers_every_action_and_role() -> None:
    assert set(EXPECTED) == set(Action) == set(RIGHTS)
    assert all(set(row) == set(Role) for row in RIGHTS.values())


@pytest.mark.parametrize(("action", "role"), list(itertools.product(Action, Role)))
def test_each_role_reaches_as_far_as_the_table_says(action: Action, role: Role) -> None:
    others, own = EXPECTED[action]
    assert may(caller(role), action, ["prn_other"]) is (role in others)
    assert may(caller(role), action, ["prn_other", "prn_me"]) is (role in own)


def test_a_resource_without_an_owner_is_nobodys_own() -> None:
    assert not may(caller(Role.OWNER), Action.DEPOSIT, [None])
    assert not may(caller(Role.OWNER), Action.DEPOSIT)


@pytest.mark.parametrize(
    ("role", "deposit_owner", "model_owner", "granted", "allowed"),
    [
        (Role.ADMIN, "prn_other", "prn_other", False, True),
        (Role.OWNER, "prn_me", "prn_other", False, True),
        (Role.OWNER, "prn_other", "prn_me", False, True),
        (Role.OWNER, "prn_other", "prn_other", False, False),
        (Role.OWNER, "prn_other", "prn_other", True, True),
        (Role.MEMBER, "prn_me", "prn_me", False, False),
        (Role.MEMBER, "prn_other", "prn_other", True, True),
        (Role.MEMBER, "prn_other", "prn_other", False, False),
    ],
)
def test_withdrawing_needs_the_deposit_the_model_a_grant_or_the_admin_role(
    *, role: Role, deposit_owner: str, model_owner: str, granted: bool, allowed: bool
) -> None:
    found = may_withdraw(caller(role), deposit_owner=deposit_owner, model_owner=model_owner, granted=granted)
    assert found is allowed


def test_every_refusal_has_a_status_and_a_slug_of_its_own() -> None:
    kinds = ServiceError.__subclasses__()
    assert len({kind.slug for kind in kinds}) == len({kind.status for kind in kinds}) == len(kinds)
    assert all(400 <= kind.status < 600 for kind in kinds)
