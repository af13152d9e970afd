"""Hairpin: a Pod reaches its own Service, also when it is the one that answers."""

from itertools import product

from svcproof.testing import App, Clients, Judge, Measure

APPS = ("webserver", "lonely")


def test_one_of_many(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """Each Pod behind a Service reaches all Pods of the Service, itself among them."""
    measure(
        product(
            echo_app.backends("hostname-deployment"),
            echo_app.targets("cluster-ip", "hostname-svc-hairpin"),
        )
    )
    judge()


def test_all_alone(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Pod that is alone behind its Service reaches itself through it."""
    measure(
        product(
            echo_app.backends("lonely-deployment"),
            echo_app.targets("cluster-ip", "lonely-svc-hairpin"),
        )
    )
    judge()
