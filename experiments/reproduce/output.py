"""A study's three files: rows as JSON, a page of Markdown, and a picture."""

from collections.abc import Sequence
from pathlib import Path

from experiments.record import describe_hardware, write_record
from experiments.reproduce.bench import Bench
from experiments.reproduce.originals import original_source
from experiments.reproduce.scale import FULL
from experiments.reproduce.study import Row, Study

GLOSSARY = {
    "rows back": "*Rows back*: the target with its sealed classifier rows put back; without sealed rows, the same.",
    "oracle": "*Oracle*: composed as the official code does when it evaluates, by asking the label; no served net "
    "can. Not the same measure as Avg.",
}


def write(bench: Bench, study: Study, rows: Sequence[Row], command: str, folder: Path) -> list[Path]:
    """Write or replace ``folder/STUDY.json``, ``.md`` and ``.png``."""
    record, page, picture = (folder / f"{study.name}{suffix}" for suffix in (".json", ".md", ".png"))
    seeds = list(dict.fromkeys(int(row["seed"]) for row in rows))
    write_record(
        record,
        bench.taken,
        seed=seeds,
        command=command,
        notes=f"{study.title}. {study.provenance} {' '.join(study.notes)}",
        rows=rows,
    )
    page.write_text(document(bench, study, rows, command))
    study.draw(study, rows, picture)
    return [record, page, picture]


def document(bench: Bench, study: Study, rows: Sequence[Row], command: str) -> str:
    """The table, with everything that its figures are worth nothing without."""
    scale = bench.order.scale.text
    parts = [
        f"# {study.title}",
        f"{study.provenance} {_capital(study.units)}; mean ± sample deviation over seeds.",
        *([] if scale == FULL else [f"**Reduced: {scale}.**"]),
        study.table(study, rows),
        caption(bench, rows, command),
        f"![{study.title}]({study.name}.png)",
        "\n".join(f"- {note}" for note in (*study.notes, *_glossary(study))),
        *_of_other_code(rows),
        *_not_run(rows),
    ]
    return "\n\n".join(parts) + "\n"


def caption(bench: Bench, rows: Sequence[Row], command: str) -> str:
    """Nets, data, hardware, commits and time of the rows that were run."""
    run = [row for row in rows if not row.get("not_run")]
    minutes = sum(sum(row["seconds"].values()) for row in run) / 60
    commits = dict.fromkeys(one["commit"] for row in run for one in (row, *row["works"]))
    machines = dict.fromkeys(describe_hardware(row["hardware"]) for row in run)
    devices = dict.fromkeys(f"{row['device']}, {row['threads']} thread(s)" for row in run)
    parts = [
        f"`{bench.order.net}` on `{bench.data_name}`, n = {len(bench.test):,} test images",
        f"one original for all seeds ({original_source(bench)})",
        f"seeds {', '.join(map(str, dict.fromkeys(row['seed'] for row in rows)))}",
        f"{len(run)} of {len(rows)} rows run, {minutes:,.1f} minutes of training and evaluation",
        *([f"measured on {'; '.join(machines)} ({'; '.join(devices)})"] if run else []),
        *([f"commit {', '.join(_short(commit) for commit in commits)}"] if run else []),
        f"`{command}`",
    ]
    return "; ".join(parts) + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(commit: str) -> str:
    hash_, plus, changes = commit.partition("+")
    return f"`{hash_[:10]}{plus}{changes}`"


def _glossary(study: Study) -> list[str]:
    return [text for word, text in GLOSSARY.items() if any(word in column for column in study.columns)]


def _of_other_code(rows: Sequence[Row]) -> list[str]:
    """What --any-code took over."""
    older = [
        row
        for row in rows
        if row.get("other_code") or any("other_code" in one for one in row.get("works", ()))
    ]
    return [f"**{len(older)} rows hold what an earlier version of the code computed.**"] if older else []


def _not_run(rows: Sequence[Row]) -> list[str]:
    """By reason, what was not run."""
    reasons: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        if row.get("not_run"):
            cells = reasons.setdefault(row["not_run"], {})
            cells.setdefault(f"{row['method']}/{row['setting']}", []).append(row["seed"])
    listed = [
        f"- {reason}: "
        + ", ".join(f"`{cell}` (seed {', '.join(map(str, seeds))})" for cell, seeds in cells.items())
        for reason, cells in reasons.items()
    ]
    return ["## Not run", "\n".join(listed)] if listed else []
