"""The suites: what svcproof proves about a cluster."""
