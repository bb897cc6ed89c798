"""Speed and cost, measured side by side in one run; results in JSON under ``results/``."""
