"""A UDP client that keeps its port: what its node remembers of it must not outlive the backend.

All packets of such a client are one flow to its node's connection tracking, which sends them
to the backend of the first for as long as they come. So whoever changes a Service's rules has
to make it forget flows that lead where no flow may lead any more (kube-proxy's
``pkg/proxy/conntrack``). Clients that take a fresh port each time never see that.

What becomes of a Service without any Pod, and of one that is deleted, is asked in
``test_emptied_service.py`` and ``test_deleted_service.py``.
"""

from svcproof.testing import Judge, Run, keeping_ports

APPS = ()
SERVICE = "kept-port-replaced"


def test_replaced_backend(run: Run, judge: Judge) -> None:
    """A UDP client that keeps its port reaches the Pod that replaces the one it talked to."""
    pairs = keeping_ports(run.app, run.clients, SERVICE, first_port=10_000)
    run.measure(pairs)
    run.roll_out()
    run.measure(pairs)
    judge()
