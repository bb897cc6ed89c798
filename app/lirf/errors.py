"""What the core refuses, always with the field at fault, what is wrong, and what to do about it."""


class InvalidInputError(ValueError):
    """Input that the core cannot use.

    Attributes:
        field: dotted name of the input at fault as a caller wrote it, e.g. ``select.classes``.
        problem: one sentence that names the offending value.
        remedy: one sentence that says what to do instead.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem} {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy
