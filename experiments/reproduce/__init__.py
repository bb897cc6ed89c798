"""`lirf reproduce STUDY`: the paper's tables and figure with our methods, and studies of our own, resumably.

A *study* (`study.Study`) says what was published, which *cells* there are, and how rows become a table and a
picture. A *cell* (`study.Cell`) is one row: a method, a setting, a seed, and a function of `measures` that
computes it. Trained networks, deposits and finished rows lie in a cache, each beside the facts that decided it:
images, T0, network, scale, configuration, arguments, and the code that computes. Machine and library versions
are no such facts, since they change the last digits only; each row names those that it was measured with.

To add a study:

1. Write `studies/NAME.py` with ``STUDY = Study(...)``. Its cells name functions of `measures`, or a function
   ``(Bench, Cell) -> Measured`` of its own. Whatever decides a figure stands in the cell's ``config`` or
   ``arguments``: they are part of the key under which its row is kept. What a measure finds wrong with its own
   figures it raises as `study.CellFailedError`.
2. Add its name to `studies.NAMES`.
"""
