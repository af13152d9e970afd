"""Hairpin: a Pod reaches its own Service, also when it is the one that answers."""

from itertools import product

from svcproof.testing import Judge, Run

APPS = ("webserver", "lonely")


def test_one_of_many(run: Run, judge: Judge) -> None:
    """Each Pod behind a Service reaches all Pods of the Service, itself among them."""
    run.measure(
        product(
            run.app.backends("hostname-deployment"),
            run.app.targets("cluster-ip", "hostname-svc-hairpin"),
        )
    )
    judge()


def test_all_alone(run: Run, judge: Judge) -> None:
    """A Pod that is alone behind its Service reaches itself through it."""
    run.measure(
        product(
            run.app.backends("lonely-deployment"),
            run.app.targets("cluster-ip", "lonely-svc-hairpin"),
        )
    )
    judge()
