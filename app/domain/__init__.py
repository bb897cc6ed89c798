"""The rules of the bank: errors, life cycles, rights. Plain Python, no input or output."""
