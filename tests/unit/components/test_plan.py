"""What the go command says, as recorded from real builds."""

import pytest

from svcproof.components.plan import Plan, download_of, package_of, parse_listing
from svcproof.components.recipe import Step

#: Of `go list -deps` in our format: two programs that share a package.
LISTING = [
    "internal/goarch\tfalse\t\t",
    "fmt\ttrue\tbuild ID mismatch\t",
    "k8s.io/api/core/v1\ttrue\tstale dependency: fmt\t",
    "svcproof.dev/components/kube\ttrue\tstale\tfmt internal/goarch k8s.io/api/core/v1 ",
    "go.etcd.io/bbolt\ttrue\tstale dependency: fmt\t",
    "go.etcd.io/etcd/server/v3\ttrue\tstale\tfmt internal/goarch go.etcd.io/bbolt ",
]

#: Of `go build -v`, with all kinds of lines that come between.
OUTPUT = """\
go: downloading go.etcd.io/bbolt v1.4.3
internal/goarch
fmt
k8s.io/api/core/v1
gopkg.in/yaml.v3
github.com/Azure/go-ansiterm
go: warning: "all" matched no packages
# github.com/containerd/containerd/v2/internal/cri/server
/root/go/pkg/mod/x/service.go:286:3: unknown field UserNamespacesHostNetwork
go.etcd.io/etcd/server/v3
note: module requires Go 1.27
""".splitlines()


@pytest.fixture
def step(tmp_path):
    parts = {"kube": ("./kube",), "etcd": ("go.etcd.io/etcd/server/v3",)}
    return Step("components", tmp_path, tmp_path / "go.mod", (), parts, (), "", "")


def test_only_what_is_stale_is_counted_and_for_the_first_part_that_needs_it(step):
    plan = parse_listing(LISTING, step)
    assert plan.part_of == {
        "svcproof.dev/components/kube": "kube",
        "fmt": "kube",
        "k8s.io/api/core/v1": "kube",
        "go.etcd.io/etcd/server/v3": "etcd",
        "go.etcd.io/bbolt": "etcd",
    }
    assert plan.totals() == {"kube": 3, "etcd": 2}


def test_a_program_that_only_has_to_be_linked_counts_nothing(step):
    cached = "not installed but available in build cache"
    listing = [
        "fmt\tfalse\t\t",
        f"svcproof.dev/components/kube\ttrue\t{cached}\tfmt ",
        f"go.etcd.io/etcd/server/v3\ttrue\t{cached}\tfmt ",
    ]
    assert parse_listing(listing, step).totals() == {}


def test_what_an_earlier_step_compiles_does_not_count_again():
    plan = Plan({"fmt": "echo-hostname", "svcproof.dev/echo-hostname": "echo-hostname"})
    assert plan.without({"fmt"}).totals() == {"echo-hostname": 1}


def test_package_lines_are_told_from_the_rest():
    assert [line for line in OUTPUT if package_of(line)] == [
        "internal/goarch",
        "fmt",
        "k8s.io/api/core/v1",
        "gopkg.in/yaml.v3",
        "github.com/Azure/go-ansiterm",
        "go.etcd.io/etcd/server/v3",
    ]


def test_downloads_are_seen():
    assert [found for line in OUTPUT if (found := download_of(line))] == ["go.etcd.io/bbolt@v1.4.3"]
