"""From options to a kind cluster: everything around the one call that creates it."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from svcproof.clusters.embedded.dns import OUTSIDE_NAMES
from svcproof.clusters.kind import ownership
from svcproof.clusters.kind.cluster import KindCluster
from svcproof.clusters.kind.config import Wanted, cluster_config
from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.engine import Engine, require_pytest_kind
from svcproof.clusters.kind.outside import start_outside
from svcproof.clusters.kind.readiness import Look
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.options import ClusterOptions
from svcproof.components import open_progress
from svcproof.components.capabilities import lacks_sys_resource
from svcproof.errors import UsageError
from svcproof.history import Family
from svcproof.images import echo_hostname_image, write_image
from svcproof.ports import Cluster, ClusterFacts
from svcproof.waits import wait_for

__all__ = ["kind_program", "open_cluster"]

Report = Callable[[str], None]

_READY_LIMIT: Final = 180.0
_IPV6_RANGE: Final = "fd53:7663:6b{a:02x}:{b:04x}::/64"


def open_cluster(options: ClusterOptions, report: Report) -> Cluster:
    """Join the kept cluster of that name, or create one for this run."""
    require_pytest_kind()
    docker = Docker.running()
    ownership.sweep(docker, report)
    if options.name:
        return _join(docker, options)
    return _Start(docker, options, report).run()


def _join(docker: Docker, options: ClusterOptions) -> Cluster:
    name = ownership.find_made(docker, options.name).name
    engine = _engine(name, options)
    engine.write_kubeconfig()
    return _opened(docker, engine)


class _Start:
    """One cluster on its way; whatever happens, it is there in the end, or nothing of it is."""

    def __init__(self, docker: Docker, options: ClusterOptions, report: Report) -> None:
        self._docker = docker
        self._options = options
        self._report = report
        self._name = f"{ownership.PREFIX}run-{secrets.token_hex(3)}"

    def run(self) -> Cluster:
        """The cluster, ready."""
        config = self._config()
        try:
            return self._create(config)
        except BaseException:
            ownership.remove(self._docker, self._name)
            raise

    def _create(self, config: Mapping[str, Any]) -> Cluster:
        docker, name, options = self._docker, self._name, self._options
        engine = _engine(name, options, self._image())
        program = _echo_hostname(docker, options)
        self._make_network()
        file = engine.directory / "config.yaml"
        file.write_text(json.dumps(config, indent=2), encoding="utf-8")
        self._report(f"kind create cluster {name}, image {engine.image or 'of kind itself'}")
        engine.create(file)
        api = Api(engine.kubeconfig, temporary_directory=engine.directory)
        look = Look(api)
        look.answer_outside_names()
        image = self._node_image(next(iter(look.containers().values())))
        start_outside(docker, name, image=image, program=program)
        archive = engine.directory / "echo-hostname.tar"
        write_image(echo_hostname_image(program), archive)
        engine.load(archive)
        archive.unlink()
        self._report("waiting for every node, kube-proxy and CoreDNS")
        wait_for(
            f"kind cluster {name}",
            lambda: look.lacking(len(config["nodes"])),
            limit=_READY_LIMIT,
            remedy="with many nodes on a machine, programs run out of inotify instances: raise the "
            "sysctl fs.inotify.max_user_instances; else have a look with plain kind",
        )
        api.close()
        on_close = None if options.keep else lambda: ownership.remove(docker, name)
        cluster = _opened(docker, engine, on_close)
        for node in cluster.facts.node_names:
            cluster.seal(node)
        if options.keep:
            short = name.removeprefix(ownership.PREFIX)
            self._report(
                f"kept; join it with --svc-name {short}, end it with svcproof down --name {short}"
            )
        return cluster

    def _config(self) -> dict[str, Any]:
        options = self._options
        wanted = Wanted(
            nodes=options.nodes,
            proxy_mode=options.proxy_mode,
            ip_families=options.ip_families,
            cgroup_version=self._docker.cgroup_version(),
            restricted=lacks_sys_resource(),
        )
        return cluster_config(wanted, _user_config(options.kind_config))

    def _image(self) -> str:
        """The wanted image; else one that was made here; else "", which is kind's own."""
        from svcproof.kind_image import find_image, load_image

        if self._options.node_image:
            return self._options.node_image
        try:
            made = find_image(self._options.kubernetes_version)
        except UsageError:  # none can be made of that version
            return ""
        if made is None:
            return ""
        if not self._docker.has_image(made.reference):
            self._report(f"giving {made.reference} to Docker")
            load_image(made)
        return made.reference

    def _make_network(self) -> None:
        arguments = ["network", "create", "--driver=bridge"]
        for key, value in ownership.labels_of(self._name, kept=self._options.keep).items():
            arguments.append(f"--label={key}={value}")
        if "ipv6" in self._options.families:
            a, b = secrets.randbelow(1 << 8), secrets.randbelow(1 << 16)
            arguments += ["--ipv6", f"--subnet={_IPV6_RANGE.format(a=a, b=b)}"]
        self._docker.call(*arguments, self._name)

    def _node_image(self, container: str) -> str:
        """The image that a node runs, for the client to be from the same."""
        return str(self._docker.inspect("container", container)["Image"])


def _opened(
    docker: Docker, engine: Engine, on_close: Callable[[], None] | None = None
) -> KindCluster:
    api = Api(engine.kubeconfig, temporary_directory=engine.directory)
    look = Look(api)
    containers, pods = look.containers(), look.pod_ranges()
    families: tuple[Family, ...] = tuple(
        dict.fromkeys("ipv6" if ":" in text else "ipv4" for text in pods)
    )
    facts = ClusterFacts(
        name=engine.name.removeprefix(ownership.PREFIX),
        kind="kind",
        kubernetes_version=look.version(),
        proxy_mode=look.proxy_mode(),
        families=families,
        node_names=tuple(sorted(containers)),
        outside_names=OUTSIDE_NAMES if look.outside_names_are_known() else {},
    )
    api.close()
    return KindCluster(
        docker,
        engine,
        facts,
        containers=containers,
        ranges=[*docker.subnets(engine.name), *pods],
        on_close=on_close,
    )


def _engine(name: str, options: ClusterOptions, image: str = "") -> Engine:
    """A cluster's network has its name."""
    directory = ownership.make_state_directory(name)
    return Engine(name, kind_program(options), _kubectl(options), name, directory, image)


def kind_program(options: ClusterOptions) -> Path:
    """kind: the one on PATH, else built."""
    from svcproof.components.kind_programs import obtain_kind

    if found := shutil.which("kind"):
        return Path(found)
    with open_progress() as progress:
        return obtain_kind(allow_install=options.allow_install, progress=progress)


def _kubectl(options: ClusterOptions) -> Path:
    """pytest-kind must never fetch one, and nothing here calls it."""
    from svcproof.components.obtain import find_kubectl

    return find_kubectl(options.kubernetes_version) or Path("/nonexistent/kubectl")


def _echo_hostname(docker: Docker, options: ClusterOptions) -> Path:
    from svcproof.components.program import ECHO_HOSTNAME_PROGRAM, obtain_echo_hostname

    if options.components_directory is not None:
        given = options.components_directory / ECHO_HOSTNAME_PROGRAM
        if given.exists():
            return given
    architecture = docker.call("version", "--format={{.Server.Arch}}").strip()
    with open_progress() as progress:
        return obtain_echo_hostname(
            architecture, allow_install=options.allow_install, progress=progress
        )


def _user_config(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"the kind configuration {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"the kind configuration {path} is no mapping")
    return found
