from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from app.api.schemas import Body
from app.domain.rights import Role
from app.services.withdraw import CALLER, WithdrawalOrder

Reference = Annotated[str, Field(min_length=1, max_length=255)]
PrincipalName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]


class KeyBody(Body):
    principal: PrincipalName
    role: Role = Role.MEMBER
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _no_scope_words(self) -> Self:
        if self.principal in {"caller", "everyone"}:
            raise ValueError("'caller' and 'everyone' are scopes, not names")
        return self


class GrantBody(Body):
    """The right to withdraw one deposit, or every deposit of a model."""

    principal: Reference
    deposit: Reference | None = None
    model: Reference | None = None
    expires_at: AwareDatetime | None = None


class Beneficiary(Body):
    principal: Reference


class WithdrawalBody(Body):
    deposits: Annotated[list[Reference], Field(min_length=1, max_length=1000)]
    scope: Reference | Beneficiary = Field(
        CALLER,
        description="'caller', 'everyone', or {'principal': name}: who is answered by the recover net.",
    )
    expires_at: AwareDatetime | None = None
    reason: Annotated[str, Field(min_length=1, max_length=2000)]

    @model_validator(mode="after")
    def _known_scope(self) -> Self:
        if isinstance(self.scope, str) and self.scope not in {"caller", "everyone"}:
            raise ValueError("scope is 'caller', 'everyone', or {'principal': name}")
        return self

    def order(self) -> WithdrawalOrder:
        scope = self.scope if isinstance(self.scope, str) else self.scope.principal
        return WithdrawalOrder(tuple(self.deposits), scope, self.reason, self.expires_at)
