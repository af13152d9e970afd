"""Experiments 3 to 5: what keeps Pods, and what replaces them."""

from __future__ import annotations

from svcproof.errors import NotSupported
from svcproof.notes.stage import Stage
from svcproof.ports import CanStopNodes

__all__ = ["deployment", "replicaset", "rollout"]

_LABEL = "-l app=my-nginx-pods-label"
#: A silent node is NotReady after 40 to 50 s.
_NOTICED = 120.0


def replicaset(stage: Stage) -> None:
    """Three Pods are three Pods: one deleted, one relabelled, one lost with its node."""
    stage.manifest(
        "replicaset-nginx.yaml",
        "A ReplicaSet keeps a number of Pods that match its selector.",
        look="`replicas`, and that `selector` and the template's labels are the same.",
    )
    stage.apply("replicaset-nginx.yaml", "replicaset.apps/replicaset-nginx created")
    _three(stage, "The ReplicaSet makes its Pods.")
    _deleted(stage)
    orphan, node = _relabelled(stage)
    _lost(stage, orphan, node)
    stage.tidy("replicaset-nginx.yaml")


def _deleted(stage: Stage) -> None:
    pod = _first(stage)
    stage.kubectl(
        f"delete pod {pod}", "One Pod is deleted.", shows="deleted", expected="it is deleted"
    )
    _three(stage, "The ReplicaSet makes another.", look="AGE: one is new.")
    stage.kubectl(
        f"get pod {pod}",
        "The deleted Pod itself does not come back: the new one has a name of its own.",
        shows="NotFound",
        fails=True,
        expected="it is not there",
    )


def _relabelled(stage: Stage) -> tuple[str, str]:
    """A Pod that the ReplicaSet has let go, and its node."""
    pod = stage.value(f"get pods {_LABEL} -o jsonpath={{.items[-1:].metadata.name}}")
    node = stage.value(f"get pod {pod} -o jsonpath={{.spec.nodeName}}")
    stage.kubectl(
        f"label pod {pod} app=nobodys --overwrite",
        "One Pod gets another label.",
        shows="labeled",
        expected="it is labelled",
    )
    stage.kubectl(
        "get pods -L app -o wide",
        "It runs on, but does not count any more: the ReplicaSet has made another.",
        shows=r"^replicaset-nginx-\S+ +1/1 +Running",
        times=4,
        expected="four Pods: three of the ReplicaSet's, and one that is nobody's",
        look="the column APP.",
    )
    return pod, node


def _lost(stage: Stage, orphan: str, node: str) -> None:
    if not isinstance(stage.cluster, CanStopNodes):
        raise NotSupported("the nodes of this cluster cannot be stopped")
    stage.say(
        f"Now {node} is lost: its cable is pulled and all that runs on it is stopped in its tracks."
        f" On it are a Pod of the ReplicaSet, and {orphan}, which is nobody's."
    )
    stage.cluster.stop_node(node)
    try:
        _noticed(stage, orphan, node)
    finally:
        stage.cluster.start_node(node)
    stage.say(f"{node} comes back.")
    stage.kubectl(
        f"get pod {orphan}",
        "What was deleted meanwhile is ended there. Of the Pod that was nobody's, nothing is left.",
        shows="NotFound",
        fails=True,
        expected=f"{orphan} is gone, and nobody has replaced it",
    )
    _three(stage, "Those of the ReplicaSet are three.")


def _noticed(stage: Stage, orphan: str, node: str) -> None:
    stage.kubectl(
        "get nodes",
        "The control plane waits some time for the node to be heard of.",
        shows=rf"^{node} +NotReady",
        expected=f"{node} is NotReady",
        limit=_NOTICED,
    )
    stage.kubectl(
        "get pods -o wide",
        "After the tolerated 5 s (the manifest says so; the default is 300) its Pods are deleted.",
        shows=rf"^replicaset-nginx-\S+ +1/1 +Running .* (?!{node})node-",
        times=3,
        expected="three Pods run, all on other nodes",
        look=f"{orphan} is as lost as the other one, and has no successor.",
    )


def _three(stage: Stage, text: str, *, look: str = "") -> None:
    stage.kubectl(
        f"get pods {_LABEL} -o wide",
        text,
        shows=r"^replicaset-nginx-\S+ +1/1 +Running",
        times=3,
        expected="three Pods run",
        look=look,
    )


def _first(stage: Stage) -> str:
    return stage.value(f"get pods {_LABEL} -o jsonpath={{.items[0].metadata.name}}")


def deployment(stage: Stage) -> None:
    """A Deployment makes a ReplicaSet, which makes Pods."""
    stage.manifest("nginx-deployment.yaml", "A Deployment looks like a ReplicaSet, and makes one.")
    stage.apply("nginx-deployment.yaml", "deployment.apps/my-nginx-deployment created")
    stage.kubectl(
        "get deployment, replicaset, pods",
        "The notes' command, with spaces after the commas.",
        shows="arguments in resource/name form",
        fails=True,
        expected="it is refused: kubectl wants the kinds in one word",
    )
    stage.kubectl(
        "get deployment,replicasets,pods -l app=my-nginx --show-kind",
        "What has come of it.",
        shows=r"^(replicaset.apps/my-nginx-deployment-\S+ +3 +3 +3 |pod/\S+ +1/1 +Running)",
        times=4,
        expected="one ReplicaSet with three ready, and its three Pods",
        look="the names: Deployment, then ReplicaSet, then Pod, each with something added.",
    )
    stage.kubectl(
        "get deployment my-nginx-deployment",
        "The Deployment itself has no such label, so it is asked for by name.",
        shows=r" 3/3 ",
        expected="3/3 are ready",
    )
    stage.kubectl(
        "get pods,replicasets -l app=my-nginx -o custom-columns="
        "NAME:.metadata.name,OWNER:.metadata.ownerReferences[0].kind",
        "Who owns whom.",
        shows="(ReplicaSet|Deployment)$",
        times=4,
        expected="the Pods are the ReplicaSet's, and that is the Deployment's",
    )
    stage.tidy("nginx-deployment.yaml")


def rollout(stage: Stage) -> None:
    """A roll-out of an image that cannot run stops half-way, and is undone."""
    stage.manifest(
        "nginx-deployment-rollout.yaml",
        "The same Deployment, with what decides how a roll-out goes.",
        look="`strategy` and `readinessProbe`.",
    )
    stage.kubectl(
        "apply -f nginx-deployment-rollout.yaml --record",
        "It is made with a record of why.",
        shows="--record has been deprecated",
        expected="it is accepted, with a warning",
        look="the warning.",
    )
    stage.kubectl(
        "get deployment my-nginx-deployment",
        "It is to be ready.",
        shows=" 3/3 ",
        expected="3/3 are ready",
    )
    (old,) = _replicasets(stage)
    stage.kubectl(
        "set image deployment my-nginx-deployment nginx=nginx:1.11 --record",
        "A new image, which cannot run.",
        shows="image updated",
        expected="it is accepted: nobody tries it beforehand",
    )
    new = next(name for name in _replicasets(stage) if name != old)
    _half_done(stage, old, new)
    _undone(stage, old, new)
    stage.tidy("nginx-deployment-rollout.yaml")


def _replicasets(stage: Stage) -> list[str]:
    return stage.value(
        "get replicasets -l app=my-nginx -o jsonpath={.items[*].metadata.name}"
    ).split()


def _half_done(stage: Stage, old: str, new: str) -> None:
    stage.kubectl(
        "get replicasets -l app=my-nginx",
        "The roll-out has stopped half-way.",
        shows=rf"^({old} +2 +2 +2 |{new} +2 +2 +0 )",
        times=2,
        expected="2 of the old serve; 2 of the new are desired, and none is ready",
    )
    stage.kubectl(
        "rollout status deployment my-nginx-deployment --timeout=2s",
        "It waits for the new Pods, and would for ten minutes before it is called failed.",
        shows="Waiting for deployment",
        fails=True,
        expected="it is not done",
    )
    stage.kubectl(
        "rollout history deployment my-nginx-deployment",
        "Each change of the template is a revision.",
        shows=r"^1 +kubectl apply .*--record=true\n2 +kubectl set image .*nginx=nginx:1.11",
        expected="revisions 1 and 2 with their causes",
    )
    stage.kubectl(
        "get pods -l app=my-nginx",
        "The new Pods start, end, and are started again after longer and longer pauses.",
        shows="CrashLoopBackOff",
        expected="new Pods in CrashLoopBackOff",
    )
    _why_half_way(stage)


def _why_half_way(stage: Stage) -> None:
    stage.kubectl(
        "explain deployment.spec.strategy.rollingUpdate.maxUnavailable",
        "How many of the old may be taken away before new ones are ready.",
        only="Defaults|rounding",
        shows="Defaults to 25%",
        expected="the default is a quarter, rounded down",
    )
    stage.correct(
        "A quarter of three, rounded down, is none: with the defaults 3 old and 1 new Pods would be"
        " left, not the notes' 2 and 2. That they saw fewer is luck: without a readiness probe a"
        " container counts as ready in the instant in which it runs, and for each such instant an"
        " old Pod is taken away, until none may be left. So the manifest here has a probe, and"
        " names the numbers that lead to the notes' 2 and 2."
    )


def _undone(stage: Stage, old: str, new: str) -> None:
    stage.kubectl(
        "rollout undo deployment my-nginx-deployment --to-revision=1",
        "Back to the first.",
        shows="rolled back",
        expected="it is rolled back",
    )
    stage.kubectl(
        "get replicasets -l app=my-nginx",
        "The old ReplicaSet is filled up, the new one emptied.",
        shows=rf"^({old} +3 +3 +3 |{new} +0 +0 +0 )",
        times=2,
        expected="3 of the old, 0 of the new",
    )
    stage.kubectl(
        "get deployment my-nginx-deployment",
        "All is as before.",
        shows=" 3/3 ",
        expected="3/3 are ready",
    )
    stage.kubectl(
        'annotate deployment my-nginx-deployment kubernetes.io/change-cause="back to nginx:latest"'
        " --overwrite",
        "What `--record` does can be done by hand, and in better words.",
        shows="annotated",
        expected="it is annotated",
    )
    stage.kubectl(
        "rollout history deployment my-nginx-deployment",
        "Going back is a revision as well: 1 has become 3.",
        shows=r"^2 +kubectl set image .*\n3 +back to nginx:latest",
        expected="revisions 2 and 3, the latter with the new cause",
    )
    stage.correct(
        "`--record` is deprecated, as the warning says. The annotation"
        " `kubernetes.io/change-cause` is all that it ever wrote."
    )
