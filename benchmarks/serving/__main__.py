"""`python -m benchmarks.serving`: everything in one run, written to ``results/serving.json``, ``.md`` and ``.png``."""

import argparse
import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bank import describe, open_bank
from benchmarks.rivals import write_model
from benchmarks.serving.cold import first_answers
from benchmarks.serving.crowd import with_many_rights
from benchmarks.serving.engine import in_a_process_of_its_own
from benchmarks.serving.flood import flood
from benchmarks.serving.page import page
from benchmarks.serving.picture import draw
from benchmarks.serving.rivals import compare, own_contestants, ratios, rival_contestants
from benchmarks.serving.tensors import against_the_limit
from benchmarks.subject import SPEC, original
from experiments.record import circumstances, write_record

NOTES = (
    "ResNet-20, random weights, one random 32×32 PNG per request; systems take turns on the same cores, which the load "
    "generator shares, and stand still while others have theirs. Medians of the repeats; errors are of all repeats. "
    "Ratios are medians of neighbours in time."
)


def main() -> None:
    options = _options()
    taken = circumstances()
    net = original(options.seed)
    engine = in_a_process_of_its_own(options.seed, options.engine_seconds, options.repeats)
    cold = first_answers(options.seed, options.repeats)
    with TemporaryDirectory(prefix="lirf-bench-") as temporary, open_bank(net, SPEC, options.seed) as bank:
        folder = Path(temporary)
        image = folder / "image.png"
        image.write_bytes(bank.image)
        print(f"answered by: {describe(bank)}", flush=True)
        model = folder / "rival.pt"
        write_model(net, SPEC, model)
        rivals = partial(rival_contestants, model, bank.image)
        rows = compare(own_contestants(bank), rivals, image, options.seconds, options.repeats)
        limit = against_the_limit(bank, options.seed, options.seconds, options.repeats, folder)
        rights = with_many_rights(bank, image, options.seconds)
        flooded = flood(bank)
    p50 = next(row["p50_ms"] for row in rows if (row["system"], row["clients"]) == ("lirf target", 1))
    limit["overhead_ms"] = round(p50 - limit["engine_p50_ms"], 3)
    given = (
        f"--seconds {options.seconds} --engine-seconds {options.engine_seconds} --repeats {options.repeats}"
    )
    write_record(
        options.json,
        taken,
        seed=options.seed,
        command=f"python -m benchmarks.serving {given} --seed {options.seed}",
        notes=NOTES,
        rows=rows,
        further={
            "ratios": ratios(rows),
            **engine,
            "limit": limit,
            "cold": cold,
            "rights": rights,
            "flood": flooded,
        },
    )
    record = json.loads(options.json.read_text())
    options.json.with_suffix(".md").write_text(page(record))
    draw(record, options.json.with_suffix(".png"))
    print(page(record))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement over HTTP")
    parser.add_argument("--engine-seconds", type=float, default=0.5, help="of each without HTTP")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/serving.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
