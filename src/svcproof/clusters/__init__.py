"""Kinds of cluster; :mod:`~svcproof.clusters.registry` knows them by name."""
