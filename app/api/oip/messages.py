"""What the protocol's JSON says; members that are not known are passed over, as other servers do."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Parameters = dict[str, Any]


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    parameters: Parameters = Field(default_factory=dict)


class RequestInput(Message):
    name: str
    shape: list[Annotated[int, Field(ge=0, lt=2**31)]]
    datatype: str
    data: list[Any] | None = None


class RequestOutput(Message):
    name: str


class InferRequest(Message):
    id: str = ""
    inputs: Annotated[list[RequestInput], Field(min_length=1)]
    outputs: list[RequestOutput] | None = None


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
