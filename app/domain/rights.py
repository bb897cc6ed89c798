"""Who may do what: one table of action by role, and the rule for withdrawals.

A role gives a right on everything (ALL) or on what the caller owns (OWN). Withdrawing is different: the right
comes from owning the deposit, from being an admin, or from a live grant on the deposit or on its model.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    OWNER = "owner"
    MEMBER = "member"


class Action(StrEnum):
    MANAGE_KEYS = "manage keys"
    MANAGE_VAULT = "seal, open and rotate the vault"
    CREATE_MODEL = "register models"
    CREATE_DATASET = "register data sets"
    READ_MODEL = "read models"
    PREDICT = "predict"
    READ_DATASET = "read this data set"
    DEPOSIT = "deposit from this model"
    ROLLBACK = "roll this model back"
    UNLOAD_MODEL = "unload this model"
    READ_DEPOSIT = "read this deposit"
    AUDIT_DEPOSIT = "audit this deposit"
    READ_KEPT_IMAGES = "read the kept images of this deposit"
    ERASE_DEPOSIT = "erase this deposit"
    GRANT = "grant rights to this deposit"
    READ_LEDGER = "read the ledger"
    READ_JOB = "read this job"
    CANCEL_JOB = "cancel this job"
    END_WITHDRAWAL = "end this withdrawal"
    WITHDRAW_FOR_EVERYONE = "withdraw for everyone"


class Reach(StrEnum):
    NONE = "none"
    OWN = "own"
    ALL = "all"


N, O, A = Reach.NONE, Reach.OWN, Reach.ALL  # noqa: E741  three columns of one table

RIGHTS: dict[Action, dict[Role, Reach]] = {
    action: dict(zip((Role.ADMIN, Role.OWNER, Role.MEMBER), reaches, strict=True))
    for action, reaches in {
        #                              admin owner member
        Action.MANAGE_KEYS:            (A, N, N),
        Action.MANAGE_VAULT:           (A, N, N),
        Action.CREATE_MODEL:           (A, A, N),
        Action.CREATE_DATASET:         (A, A, N),
        Action.READ_MODEL:             (A, A, A),
        Action.PREDICT:                (A, A, A),
        Action.READ_DATASET:           (A, O, N),
        Action.DEPOSIT:                (A, O, N),
        Action.ROLLBACK:               (A, O, N),
        Action.UNLOAD_MODEL:           (A, O, N),
        Action.READ_DEPOSIT:           (A, O, N),
        Action.AUDIT_DEPOSIT:          (A, O, N),
        Action.READ_KEPT_IMAGES:       (A, O, N),
        Action.ERASE_DEPOSIT:          (A, O, N),
        Action.GRANT:                  (A, O, N),
        Action.READ_LEDGER:            (A, O, N),
        Action.READ_JOB:               (A, O, N),
        Action.CANCEL_JOB:             (A, O, N),
        Action.END_WITHDRAWAL:         (A, O, O),
        Action.WITHDRAW_FOR_EVERYONE:  (A, O, N),
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class Caller:
    """The principal behind a request."""

    principal_id: str
    name: str
    role: Role
    key_id: str


def reach_of(caller: Caller, action: Action) -> Reach:
    """How far the caller's role reaches with ``action``."""
    return RIGHTS[action][caller.role]


def may(caller: Caller, action: Action, owners: Iterable[str | None] = ()) -> bool:
    """Whether the caller may do ``action`` to a resource that belongs to ``owners`` (principal ids)."""
    reach = reach_of(caller, action)
    return reach is Reach.ALL or (reach is Reach.OWN and caller.principal_id in set(owners))


def may_withdraw(caller: Caller, *, deposit_owner: str, model_owner: str, granted: bool) -> bool:
    """Whether the caller may be answered by the recover net of a deposit."""
    owns = caller.role is Role.OWNER and caller.principal_id in {deposit_owner, model_owner}
    return caller.role is Role.ADMIN or owns or granted
