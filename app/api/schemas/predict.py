import binascii
from base64 import b64decode, urlsafe_b64decode
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.api.schemas import Body
from app.lirf.errors import InvalidInputError

TopK = Annotated[int, Field(ge=1, le=1000)]
LARGEST_REQUEST = 1024


class PredictBody(Body):
    """A batch: encoded images in base64, or rows of a stored data set."""

    model: Annotated[str, Field(min_length=1, max_length=255)]
    images: Annotated[list[str], Field(min_length=1, max_length=LARGEST_REQUEST)] | None = None
    dataset: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    indices: Annotated[list[int], Field(min_length=1, max_length=LARGEST_REQUEST)] | None = None
    top_k: TopK = 5

    @model_validator(mode="after")
    def _images_or_rows(self) -> Self:
        if (self.images is None) == (self.dataset is None) or (self.dataset is None) != (
            self.indices is None
        ):
            raise ValueError("give either images, or dataset and indices")
        return self

    def decoded(self) -> list[bytes]:
        return [decode_base64(text, f"images.{row}") for row, text in enumerate(self.images or ())]


def decode_base64(text: str, field: str) -> bytes:
    """Decode base64 or base64url, padded or not.

    Raises:
        InvalidInputError: if the text is neither.
    """
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        return urlsafe_b64decode(padded) if set(padded) & set("-_") else b64decode(padded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            field,
            "The text is not base64.",
            "Encode the bytes of a PNG, JPEG or WebP file in base64 or base64url.",
        ) from error
