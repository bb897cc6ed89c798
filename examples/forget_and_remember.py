"""Register digits, forget 3 and 8, remember them for one caller, and lock them again.

LIRF_API_KEY=lirf_... python examples/forget_and_remember.py [--url http://127.0.0.1:8000] [--epochs 5] [--steps 60]
"""

import argparse
import os
from pathlib import Path
from uuid import uuid4

from app.client import LirfClient, ProblemError

IMAGE = Path(__file__).parent / "images" / "8.png"
DIGITS = [str(digit) for digit in range(10)]
INPUT = {"channels": 1, "height": 8, "width": 8, "mean": [0.306], "std": [0.376]}


def main() -> None:
    options = _options()
    tag = uuid4().hex[:6]  # names of this run's own, so that it can be repeated
    with LirfClient(options.url, os.environ["LIRF_API_KEY"]) as admin:
        keys = {who: admin.create_key(f"{who}-{tag}", role)["key"] for who, role in CAST.items()}
    with LirfClient(options.url, keys["owner"]) as owner, LirfClient(options.url, keys["guest"]) as guest:
        play(owner, guest, tag, options)


CAST = {"owner": "owner", "guest": "member"}


def play(owner: LirfClient, guest: LirfClient, tag: str, options: argparse.Namespace) -> None:
    model, data = f"digits-{tag}", f"train-{tag}"
    owner.builtin_dataset(data, "digits", "train")
    training = {"dataset": data, "epochs": options.epochs, "batch_size": 64, "shift": 1}
    spec = {"name": model, "architecture": "resnet20", "classes": DIGITS, "input": INPUT, "train": training}
    owner.wait(owner.train_model(spec)["job"])
    tell(guest, model, "before")

    order = {"model": model, "dataset": data, "select": {"classes": ["3", "8"]}}
    accepted = owner.deposit({**order, "settings": {"min_steps": options.steps}})
    owner.wait(accepted["job"])
    tell(guest, model, "deposited")

    try:
        guest.withdraw(accepted["deposits"], "an example")
    except ProblemError as refusal:
        print(f"{'refused':10} {refusal.status} {refusal.problem['title']}")
    for deposit in accepted["deposits"]:
        owner.grant(f"guest-{tag}", deposit=deposit)
    withdrawal = guest.withdraw(accepted["deposits"], "an example")
    tell(guest, model, "withdrawn")

    guest.end_withdrawal(withdrawal["id"])
    tell(guest, model, "ended")


def tell(caller: LirfClient, model: str, when: str) -> None:
    (answer,) = caller.predict(model, [IMAGE.read_bytes()], top_k=1)
    best = answer["top"][0]
    print(f"{when:10} {answer['net']} net says {best['label']} ({best['probability']:.0%})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--epochs", type=int, default=5, help="of the training")
    parser.add_argument("--steps", type=int, default=60, help="of the deposit, at least")
    return parser.parse_args()


if __name__ == "__main__":
    main()
