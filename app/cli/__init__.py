"""`lirf`: the service and its client on the command line."""

import os

from app.patience import be_patient

be_patient(os.environ)  # before anything below loads torch

from app.cli.main import main

__all__ = ["main"]
