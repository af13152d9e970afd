"""Every number that a verdict rests on: sizes of samples, tests, bounds of rates.

kube-proxy's iptables and nftables modes draw a backend at random, uniformly and
independently, for each new connection (``docs/how-it-decides.md`` has the
sources). Everything here rests on that and on nothing else, and is exact or errs
to the safe side: no normal approximation, no simulation. ``docs/arithmetic.md``
has the formulas, and the error rates as measured.
"""

from __future__ import annotations

from svcproof.stats.algorithm import (
    Algorithm,
    Classification,
    classification_size,
    classify,
)
from svcproof.stats.binomial import load
from svcproof.stats.choices import (
    Dependence,
    Rotation,
    dependence,
    draws_needed,
    redraws_needed,
    rotation,
    same_again_probability,
    same_choice_probability,
)
from svcproof.stats.rates import budget, loss_bound, loss_proven
from svcproof.stats.shares import (
    Fit,
    Shares,
    goodness_of_fit,
    skew_sample_size,
    smallest_skew,
    visible_shares,
)
from svcproof.stats.sizes import (
    CELL_ALPHA,
    CHECK_ALPHA,
    coverage_miss_rate,
    coverage_size,
    failure_size,
    loss_size,
    sample_size,
)

__all__ = [
    "CELL_ALPHA",
    "CHECK_ALPHA",
    "Algorithm",
    "Classification",
    "Dependence",
    "Fit",
    "Rotation",
    "Shares",
    "budget",
    "classification_size",
    "classify",
    "coverage_miss_rate",
    "coverage_size",
    "dependence",
    "draws_needed",
    "failure_size",
    "goodness_of_fit",
    "load",
    "loss_bound",
    "loss_proven",
    "loss_size",
    "redraws_needed",
    "rotation",
    "same_again_probability",
    "same_choice_probability",
    "sample_size",
    "skew_sample_size",
    "smallest_skew",
    "visible_shares",
]
