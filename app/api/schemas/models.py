from typing import Annotated, Any

from pydantic import Field

from app.api.schemas import Body
from app.lirf.networks import InputSpec
from app.services.register_model import ModelOrder, TrainOrder

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Label = Annotated[str, Field(min_length=1, max_length=255)]
Pixels = Annotated[int, Field(ge=1, le=4096)]


class InputBody(Body):
    """What the network reads; images are divided by 255, then normalised per channel."""

    channels: Annotated[int, Field(ge=1, le=3)] = 3
    height: Pixels
    width: Pixels
    mean: list[float] = Field(default_factory=lambda: [0.5])
    std: list[float] = Field(default_factory=lambda: [0.5])

    def spec(self) -> InputSpec:
        """One value of mean or std stands for all channels."""
        repeat = {1: self.channels}
        return InputSpec(
            channels=self.channels,
            height=self.height,
            width=self.width,
            mean=tuple(self.mean * repeat.get(len(self.mean), 1)),
            std=tuple(self.std * repeat.get(len(self.std), 1)),
        )


class TrainBody(Body):
    """How to make T0 here."""

    dataset: Label
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    batch_size: Annotated[int, Field(ge=2, le=4096)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    shift: Annotated[int, Field(ge=0, le=32)] | None = Field(
        None, description="Augment by moving this many pixels."
    )
    flip: bool | None = Field(None, description="Augment by mirroring.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    def order(self) -> TrainOrder:
        settings: dict[str, Any] = self.model_dump(exclude={"dataset"}, exclude_none=True)
        return TrainOrder(self.dataset, settings)


class ModelBody(Body):
    """A model; with ``train`` it is trained here, without it the weights come beside it as safetensors."""

    name: Name
    architecture: Label
    classes: Annotated[list[Label], Field(min_length=2, max_length=10000)]
    input: InputBody
    split: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Blocks in the shallow part; the architecture's own if left out."
    )
    train: TrainBody | None = None

    def order(self) -> ModelOrder:
        return ModelOrder(self.name, self.architecture, tuple(self.classes), self.input.spec(), self.split)


class RollbackBody(Body):
    version: Annotated[int, Field(ge=1)]
