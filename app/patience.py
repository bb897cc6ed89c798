"""OpenMP threads that sleep while they wait.

By default they spin, and on a machine with more work than cores they then take the time of the very threads they
wait for: beside two other busy processes on two cores, a training of 11 seconds took 54. OpenMP reads these variables
once, when torch is loaded, so they have to stand in the environment before.
"""

from collections.abc import MutableMapping

PATIENT_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


def be_patient(environment: MutableMapping[str, str]) -> None:
    """Ask for sleeping threads unless the operator has asked for something else."""
    for name, value in PATIENT_THREADS.items():
        environment.setdefault(name, value)
