"""Requests that carry files: JSON, or multipart with a JSON text part beside the file."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from app.domain.errors import Invalid, UnsupportedMedia

Schema = TypeVar("Schema", bound=BaseModel)
JSON = "application/json"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Submission(Generic[Schema]):
    """A validated description and the bytes that came beside it, if any."""

    body: Schema
    file: bytes | None


async def read_submission(
    request: Request, *, alone: type[Schema], beside: type[Schema], file_part: str
) -> Submission[Schema]:
    """Read JSON as ``alone``, or multipart's text parts as ``beside`` with the bytes of ``file_part``.

    A multipart form holds either one text part ``spec`` with the whole JSON, or one text part per field.

    Raises:
        RequestValidationError: the description breaks its schema.
        UnsupportedMedia: neither JSON nor multipart.
        Invalid: the file part is missing or no file.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON:
        return Submission(_validated(alone, await request.body()), None)
    if media_type != MULTIPART:
        raise UnsupportedMedia(
            f"{media_type or 'No media type'} is not accepted.", f"Send {JSON} or {MULTIPART}."
        )
    async with request.form(max_files=1, max_fields=16, max_part_size=1024 * 1024) as form:
        file = form.get(file_part)
        if not isinstance(file, UploadFile):
            raise Invalid(
                f"The form has no file {file_part!r}.", f"Add the file as the part {file_part!r}.", file_part
            )
        return Submission(_validated(beside, _description(form, file_part)), await file.read())


def documented(alone: type[BaseModel], beside: type[BaseModel], file_part: str) -> dict[str, Any]:
    """The OpenAPI request body of `read_submission`."""
    form = beside.model_json_schema(ref_template="#/components/schemas/{model}")
    form.pop("$defs", None)
    properties = {"spec": {"type": "string", "description": f"{beside.__name__} as JSON."}}
    properties[file_part] = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": properties, "required": ["spec", file_part]}
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": alone.model_json_schema(ref_template="#/components/schemas/{model}")},
                MULTIPART: {"schema": form},
            },
        }
    }


def _description(form: FormData, file_part: str) -> str | bytes | dict[str, Any]:
    spec = form.get("spec")
    if isinstance(spec, str):
        return spec
    return {name: value for name, value in form.items() if name != file_part}


def _validated(schema: type[Schema], description: str | bytes | dict[str, Any]) -> Schema:
    try:
        if isinstance(description, dict):
            return schema.model_validate(description)
        return schema.model_validate_json(description)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_context=False)]
        raise RequestValidationError(faults) from error
