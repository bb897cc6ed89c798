"""Counts of what was right, and every answer that was not."""

from collections import Counter


class Report:
    """What was tried, per kind of attack, and every answer that was not the right one."""

    ASPECTS = ("refused", "target serves on", "undone")

    def __init__(self) -> None:
        self.right: Counter[tuple[str, str]] = Counter()
        self.tried: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []

    def expect(self, kind: str, aspect: str, told: object, wanted: object) -> None:
        """Count a check: ``told`` is what the service answered, ``wanted`` what it has to."""
        self.tried[kind, aspect] += 1
        self.right[kind, aspect] += told == wanted
        if told != wanted:
            self.wrong.append(f"{kind}, {aspect}: {told} instead of {wanted}")

    def tell(self) -> None:
        kinds = list(dict.fromkeys(kind for kind, _ in self.tried))
        width = max(map(len, kinds))
        print(f"{'right / tried':<{width}}", *(f"{aspect:>16}" for aspect in self.ASPECTS))
        for kind in kinds:
            print(f"{kind:<{width}}", *(f"{self._count(kind, aspect):>16}" for aspect in self.ASPECTS))
        print(*self.wrong, sep="\n")
        print(f"{sum(self.tried.values())} checks, {len(self.wrong)} wrong.")

    def _count(self, kind: str, aspect: str) -> str:
        tried = self.tried[kind, aspect]
        return f"{self.right[kind, aspect]} / {tried}" if tried else ""
