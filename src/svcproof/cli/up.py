"""``svcproof up``: start a cluster and leave it running."""

from __future__ import annotations

import click

from svcproof.cli.options import cluster_shape, examples, name_option

__all__ = ["up"]


_EXAMPLES = examples(
    "svcproof up",
    "svcproof up --name other --nodes 5 --proxy-mode nftables --ip-families dual",
)


@click.command(epilog=_EXAMPLES)
@name_option
@cluster_shape
def up(
    name: str,
    nodes: str,
    proxy_mode: str,
    ip_families: str,
    k8s_version: str,
    components: str,
    no_install: bool,
) -> None:
    """Start a cluster and keep it until `svcproof down`."""
    from svcproof.clusters.embedded.reports import DNS_READY, NODES_READY
    from svcproof.clusters.embedded.start import start
    from svcproof.clusters.options import cluster_options

    options = cluster_options(
        name=name,
        nodes=nodes,
        proxy_mode=proxy_mode,
        ip_families=ip_families,
        kubernetes_version=k8s_version,
        components_directory=components,
        allow_install=not no_install,
    )
    owner, found = start(options, name=name, report=lambda line: click.echo(line, err=True))
    owner.detach()
    timeline = owner.directory.timeline()
    click.echo(
        f"cluster {name}: Kubernetes {found.kubernetes_version}, {options.nodes} nodes, "
        f"{options.proxy_mode}, {options.ip_families}; nodes Ready after "
        f"{timeline[NODES_READY]:.1f} s, DNS after {timeline[DNS_READY]:.1f} s"
    )
    suffix = "" if name == "default" else f" --name {name}"
    click.echo(f"  look around   svcproof kubectl{suffix} get nodes -o wide")
    click.echo(f"  prove it      svcproof run --svc-name {name}")
    click.echo(f"  end it        svcproof down{suffix}")
