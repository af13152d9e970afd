"""svcproof: proof that a cluster's Services route as Kubernetes promises."""

__version__ = "0.1.0"
