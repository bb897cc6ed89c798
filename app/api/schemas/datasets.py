from typing import Annotated, Literal

from pydantic import Field

from app.api.schemas import Body

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class BuiltinBody(Body):
    """A data set that the service brings along, or finds in its data set folder."""

    name: Name
    builtin: Literal["digits", "cifar10", "cifar100"]
    split: Literal["train", "test"] = "train"


class UploadBody(Body):
    """The text part beside an uploaded file."""

    name: Name
