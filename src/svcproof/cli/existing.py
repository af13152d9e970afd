"""Commands about clusters that svcproof is a guest of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from svcproof.cli.options import examples
from svcproof.errors import UsageError

__all__ = ["rights", "sweep"]

_HELP = {"help_option_names": ["-h", "--help"]}


def _reaching(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--namespace", default="", help="A namespace that was made beforehand."),
        click.option("--context", default="", help="The kubeconfig's context."),
        click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl's by default."),
    ):
        command = option(command)
    return command


@click.command(
    context_settings=_HELP,
    epilog=examples(
        "svcproof sweep --dry-run",
        "svcproof sweep --kubeconfig staging.yaml --namespace routing-tests",
    ),
)
@_reaching
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--run", "run_id", default="", help="This run's, whether it is over or not.")
def sweep(kubeconfig: str, context: str, namespace: str, dry_run: bool, run_id: str) -> None:
    """Remove what runs that are over have left in a cluster, and nothing else.

    A run is over when its process is gone, or six hours after it began if it ran
    on another machine.
    """
    from svcproof.clusters.existing.sweep import Leftover, leftovers, remove
    from svcproof.clusters.kubernetes_api import Api
    from svcproof.clusters.options import cluster_options

    if run_id and not namespace:
        raise UsageError("--run needs --namespace: where that run's objects are")
    options = cluster_options(kubeconfig=kubeconfig, context=context)
    api = Api(options.existing.kubeconfig, context=context)
    try:
        found = [Leftover(namespace, run_id)] if run_id else leftovers(api, namespace)
        for left in found:
            if not dry_run:
                remove(api, left)
            click.echo(f"{'would remove' if dry_run else 'removed'} {left}")
        if not found:
            click.echo("nothing is left of any run that is over")
    finally:
        api.close()


@click.command(
    context_settings=_HELP,
    epilog=examples(
        "svcproof rights --namespace routing-tests --user jane | kubectl apply -f -",
        "svcproof rights --service-account ci:svcproof | kubectl apply -f -",
    ),
)
@click.option("--namespace", default="", help="Grant it in this namespace only.")
@click.option("--user", default="", help="Grant it to a user of this name.")
@click.option(
    "--service-account", default="", metavar="NAMESPACE:NAME", help="Grant it to that account."
)
def rights(namespace: str, user: str, service_account: str) -> None:
    """Print the roles that a run needs, for `kubectl apply -f -`."""
    import yaml

    from svcproof.clusters.existing.role import granting

    click.echo(yaml.safe_dump_all(granting(_subject(user, service_account), namespace)), nl=False)


def _subject(user: str, service_account: str) -> dict[str, str]:
    if bool(user) == bool(service_account):
        raise UsageError(
            "say who is to be granted it: --user NAME or --service-account NAMESPACE:NAME"
        )
    if user:
        return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    namespace, colon, name = service_account.partition(":")
    if not (namespace and colon and name):
        raise UsageError(f"service account {service_account!r}: write it as NAMESPACE:NAME")
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
