"""Speed and cost, measured side by side in one run; results in JSON under ``results/``."""

import os

from app.patience import be_patient

be_patient(os.environ)  # before anything below loads torch, as in the service
