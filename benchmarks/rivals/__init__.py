"""Other model servers that answer with the same network, each in an environment of its own."""

from benchmarks.rivals.environments import RIVALS, interpreter
from benchmarks.rivals.model import write_model
from benchmarks.rivals.running import TUNED, RivalDidNotStartError, RunningRival, rival

__all__ = ["RIVALS", "TUNED", "RivalDidNotStartError", "RunningRival", "interpreter", "rival", "write_model"]
