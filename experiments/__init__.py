"""The paper's tables and figures, and what was tried on the way; figures in JSON beside the code that made them."""
