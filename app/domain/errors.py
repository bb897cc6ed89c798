"""Every refusal of the service, with its HTTP status and stable slug (RFC 9457 problem types).

ServiceError
├── Unauthenticated     401
├── Forbidden           403
├── NotFound            404
├── Conflict            409
├── Gone                410
├── PayloadTooLarge     413
├── UnsupportedMedia    415
├── Invalid             422
├── TooMany             429
└── Unavailable         503
    ├── VaultSealed     503
    └── Damaged         503
"""

from typing import ClassVar


class ServiceError(Exception):
    """A refusal that a caller can act on.

    Attributes:
        detail: what is wrong, naming the offending value.
        remedy: what the caller can do about it.
        field: dotted name of the input at fault, when one is.
        retry_after: seconds after which the same request may be answered, where that is known.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str, remedy: str = "", field: str | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.detail = detail
        self.remedy = remedy
        self.field = field


class Unauthenticated(ServiceError):
    status, slug, title = 401, "unauthenticated", "A valid API key is needed"


class Forbidden(ServiceError):
    status, slug, title = 403, "forbidden", "Not your right"


class NotFound(ServiceError):
    status, slug, title = 404, "not-found", "No such resource"


class Conflict(ServiceError):
    status, slug, title = 409, "conflict", "In conflict with the present state"


class Gone(ServiceError):
    status, slug, title = 410, "gone", "Forgotten for ever"


class PayloadTooLarge(ServiceError):
    status, slug, title = 413, "payload-too-large", "Too many bytes"


class UnsupportedMedia(ServiceError):
    status, slug, title = 415, "unsupported-media-type", "Media type not accepted"


class Invalid(ServiceError):
    status, slug, title = 422, "invalid-input", "Input cannot be used"


class TooMany(ServiceError):
    status, slug, title = 429, "too-many", "Too many requests"

    def __init__(self, detail: str, remedy: str = "", field: str | None = None, *, retry_after: int) -> None:
        super().__init__(detail, remedy, field, retry_after=retry_after)


class Unavailable(ServiceError):
    status, slug, title = 503, "unavailable", "Not ready"


class VaultSealed(Unavailable):
    slug, title = "vault-sealed", "The vault is sealed"


class Damaged(Unavailable):
    slug, title = "damaged", "Sealed knowledge does not open"
