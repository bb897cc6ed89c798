"""OpenMP's threads as PyTorch's users have them, for comparisons with eager PyTorch that are fair to it.

Importing the project asks for threads that sleep while they wait (`app.patience`), which eager PyTorch is slow with.
"""

IMPATIENT = {"GOMP_SPINCOUNT": "300000"}
"""libgomp's own count of spins where nothing is asked of it; it has to be in the environment when torch is loaded."""
