"""Audits of what a network still knows below its output, where a low Dep shows nothing.

Each audit is a pure function that an attacker could run with the weights in hand. None has an absolute bar:
the fair comparison is a network that was trained without D_r, which also yields to probes and prototypes.

How the figures are composed: Dep of a probe or a prototype attack is the share of deposited samples whose
class it names from `features.penultimate`. Dep of `student.distil_student` is that of the student's logits,
taught by the target with its sealed rows put back; what leaks to the student below its output is a
`probe.linear_probe` on the student's own features.
"""
