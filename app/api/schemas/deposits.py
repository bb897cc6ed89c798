from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.api.schemas import Body
from app.lirf.data.selection import Selection
from app.services.request_deposit import NAMED_SETTINGS, DepositOrder

Plain = str | int | float | bool | None
Name = Annotated[str, Field(min_length=1, max_length=255)]


class Select(Body):
    """Which images: exactly one of the three."""

    classes: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="Whole classes, by name."
    )
    ids: Annotated[list[Name], Field(min_length=1)] | None = Field(None, description="Rows, by id.")
    where: dict[str, Annotated[list[Plain], Field(min_length=1)]] | None = Field(
        None, description="Rows whose metadata columns hold one of these values."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("classes", "ids", "where") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of classes, ids or where")
        return self

    def selection(self) -> Selection:
        return Selection(
            classes=None if self.classes is None else tuple(self.classes),
            ids=None if self.ids is None else tuple(self.ids),
            where=None
            if self.where is None
            else {name: tuple(values) for name, values in self.where.items()},
        )


class DepositSetBody(Body):
    select: Select


class AuditBody(Body):
    """What to audit a deposit with."""

    dataset: Name = Field(
        description="Labelled images that the model was not trained on: at least ten of every class that it has, of "
        "which a simulated attacker gets half."
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class DepositBody(Body):
    """A deposit of one set (``select``), or of several at once (``deposits``)."""

    model: Name
    dataset: Name
    select: Select | None = None
    deposits: Annotated[list[DepositSetBody], Field(min_length=1, max_length=100)] | None = None
    objective: Literal["lirf", "lirf+"] = "lirf+"
    evaluate_on: Name | None = Field(
        None, description="A test data set on which to measure Pre, Dep, H and Avg."
    )
    retain: Select | None = Field(
        None,
        description="Kept images of the same data set, at most as many as are forgotten, which training then uses "
        "in place of half of its surrogates (`lirf+` only). Without it, training sees the deposit set alone.",
    )
    keep_original: bool = Field(False, description="Keep the base version, so that it can be rolled back to.")
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    batch_size: Annotated[int, Field(ge=2, le=4096)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    prune_ratio: Annotated[float, Field(ge=0, lt=1)] | None = None
    seal_rows: bool | None = Field(
        None, description="Take the deposited classes' classifier rows out of the target net."
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the learning core's DepositConfig."
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.select is None) == (self.deposits is None):
            raise ValueError("give either select, or a list of deposits")
        return self

    def order(self) -> DepositOrder:
        selects = [self.select] if self.select else [one.select for one in self.deposits or ()]
        settings = {name: getattr(self, name) for name in NAMED_SETTINGS if getattr(self, name) is not None}
        return DepositOrder(
            model=self.model,
            dataset=self.dataset,
            selections=tuple(select.selection() for select in selects),
            objective=self.objective,
            settings={**self.settings, **settings},
            evaluate_on=self.evaluate_on,
            keep_original=self.keep_original,
            retain=None if self.retain is None else self.retain.selection(),
        )
