"""Imports point downwards only; each ban has its reason and is about something that exists."""

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import svcproof

ROOT = Path(svcproof.__file__).parent

PURE = (
    "svcproof.events",
    "svcproof.attempts",
    "svcproof.history",
    "svcproof.history_reader",
    "svcproof.history_v1",
    "svcproof.promises",
    "svcproof.asking",
    "svcproof.attempts",
    "svcproof.deviations",
    "svcproof.drift",
    "svcproof.manifest_shapes",
    "svcproof.pacing",
    "svcproof.records",
    "svcproof.snapshot",
    "svcproof.verdict",
    "svcproof.stats",
    "svcproof.expect",
    "svcproof.places",
    "svcproof.profiles",
    "svcproof.questions",
    "svcproof.streak",
    "svcproof.turns",
    "svcproof.unread",
    "svcproof.workloads",
    "svcproof.comparison",
    "svcproof.results",
    "svcproof.cells",
    "svcproof.culprit",
    "svcproof.matrix",
    "svcproof.checkers",
)
PORTS = ("svcproof.ports", "svcproof.limits", "svcproof.errors")
HARNESS = (
    "svcproof.app",
    "svcproof.barrier",
    "svcproof.battery",
    "svcproof.changing",
    "svcproof.context",
    "svcproof.evidence",
    "svcproof.files",
    "svcproof.manifest_files",
    "svcproof.measurement",
    "svcproof.node_addresses",
    "svcproof.notes",
    "svcproof.own_services",
    "svcproof.patience",
    "svcproof.probing",
    "svcproof.promising",
    "svcproof.proof",
    "svcproof.run",
    "svcproof.settling",
    "svcproof.steady",
    "svcproof.saved",
    "svcproof.testing",
    "svcproof.waits",
    "svcproof.ways",
)
EFFECTS = (
    "svcproof.clusters",
    "svcproof.faults",
    "svcproof.probes",
    "svcproof.recorder",
    "svcproof.components",
    "svcproof.kind_image",
)
FAULTS = ("svcproof.faults",)
WIRING = ("svcproof.fixtures", "svcproof.cli", "svcproof.suites")
REPORTERS = ("svcproof.reporters",)

#: (who, must not import, why)
BANS = [
    *(
        (PURE, banned, "a judge of saved evidence sees nothing but the evidence")
        for banned in (
            "socket",
            "subprocess",
            "time",
            "datetime",
            "random",
            "secrets",
            "os",
            "pathlib",
            "threading",
            "pytest",
            "kubernetes",
            "requests",
            "tenacity",
            *EFFECTS,
            *WIRING,
            *REPORTERS,
        )
    ),
    *(
        (HARNESS, banned, "it knows clusters by the protocol, so that a user's own will do")
        for banned in ("svcproof.clusters", "svcproof.probes", "kubernetes", "pytest", *WIRING)
    ),
    *(
        (PORTS, banned, "what every cluster implements must not know any of them")
        for banned in (*EFFECTS, *WIRING, *REPORTERS, "pytest", "kubernetes")
    ),
    *(
        (EFFECTS, banned, "clusters and probes are used by the wiring, not the other way round")
        for banned in (*WIRING, *REPORTERS, "pytest")
    ),
    *(
        (EFFECTS, banned, "whoever makes evidence must not judge it")
        for banned in ("svcproof.verdict", "svcproof.checkers")
    ),
    *(
        (FAULTS, banned, "it changes clusters through the optional powers, so that any will do")
        for banned in ("svcproof.clusters", "svcproof.probes", "kubernetes", "subprocess")
    ),
    *(
        (REPORTERS, banned, "reporters read results and decide nothing")
        for banned in (*EFFECTS, *WIRING, "svcproof.checkers", "svcproof.expect", "pytest")
    ),
]


def sources(module: str) -> list[Path]:
    path = ROOT.joinpath(*module.split(".")[1:])
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imports(source: Path) -> set[str]:
    """Every module that a file imports, wherever in it, but not for annotations only."""
    found: set[str] = set()
    for node in _running(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _running(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def _below(name: str, banned: str) -> bool:
    return name == banned or name.startswith(f"{banned}.")


@pytest.mark.parametrize(
    ("layer", "banned", "reason"), BANS, ids=[f"{who[0]}… not {banned}" for who, banned, _ in BANS]
)
def test_ban(layer, banned, reason):
    guilty = [
        f"{source.relative_to(ROOT)} imports {name}"
        for module in layer
        for source in sources(module)
        for name in imports(source)
        if _below(name, banned)
    ]
    assert not guilty, f"{reason}: {guilty}"


@pytest.mark.parametrize(
    "name", sorted({name for who, banned, _ in BANS for name in (*who, banned)})
)
def test_whatever_is_named_exists(name):
    """A ban on something that was renamed would hold for ever, and forbid nothing."""
    assert name in sys.stdlib_module_names or find_spec(name) is not None


def test_every_module_is_in_a_layer():
    layers = (*PURE, *PORTS, *HARNESS, *EFFECTS, *WIRING, *REPORTERS)
    free = {"svcproof.images", "svcproof.manifests", "svcproof.sources", "svcproof.kind_image"}
    names = {
        f"svcproof.{path.stem}"
        for path in ROOT.iterdir()
        if (path.suffix == ".py" or path.is_dir()) and not path.name.startswith("_")
    }
    assert names - set(layers) - free == set()
