"""Who we are to an API server: tokens, certificates and plugins that are renewed, impersonation."""

import base64
import json
import os
import socket
import ssl
import sys
import threading
import time

import pytest

from svcproof.clusters import exec_plugin
from svcproof.clusters import kubeconfig as kubeconfigs
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.pod_command import run_in_pod
from svcproof.errors import ApiRefused, EnvironmentProblem, UsageError
from tests.unit.api_server import ApiServer, Authority, closing, kubeconfig, reply

REFUSED = reply(401, {"message": "Unauthorized"})


class Guarded(ApiServer):
    """Takes one token only."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.takes = token

    def answer(self, request):
        known = request.first("authorization") == f"Bearer {self.takes}"
        return super().answer(request) if known else REFUSED

    def tokens(self) -> list[str]:
        return [request.first("authorization").removeprefix("Bearer ") for request in self.asked]


def ran(api: Api) -> str:
    code, output, _ = run_in_pod(api, "ns", "p", ["true"], limit=5)
    assert code == 0
    return output


class TestTokenFile:
    @pytest.fixture
    def reached(self, tmp_path):
        """The file, the server, and an API that has read it once."""
        file = tmp_path / "token"
        file.write_text("one\n")
        with Guarded("one") as server:
            user = {"tokenFile": "token", "token": "older"}
            with closing(Api(kubeconfig(tmp_path / "k", server.url, user))) as api:
                api.get("/api")
                yield file, server, api

    def test_a_changed_file_is_read_again(self, reached):
        file, server, api = reached
        server.takes = "two!"
        file.write_text("two!\n")
        api.get("/api")
        assert ran(api) == "hello"
        assert server.tokens() == ["one", "two!", "two!", "two!"]

    def test_and_before_an_exec(self, reached):
        file, server, api = reached
        server.takes = "two!"
        file.write_text("two!\n")
        assert ran(api) == "hello"
        assert set(server.tokens()[1:]) == {"two!"}

    def test_what_was_refused_is_read_again_at_once(self, reached, monkeypatch):
        """Even where nothing shows that the file has changed."""
        file, server, api = reached
        monkeypatch.setattr(kubeconfigs.Access, "is_stale", lambda _: False)
        for token in ("two", "three"):
            server.takes = token
            file.write_text(token)
            api.get("/api")
        server.takes = "four"
        file.write_text("four")
        assert ran(api) == "hello"

    def test_an_exec_that_is_refused(self, reached, monkeypatch):
        file, server, api = reached
        monkeypatch.setattr(kubeconfigs.Access, "is_stale", lambda _: False)
        listed = server.answer

        def answer(request):
            if "/exec?" in request.path and request.first("authorization") == "Bearer one":
                file.write_text("two")
                server.takes = "two"
                return REFUSED
            return listed(request)

        server.answer = answer
        assert ran(api) == "hello"
        assert [each.first("authorization") for each in server.execs()] == [
            "Bearer one",
            "Bearer two",
        ]

    def test_one_that_is_being_written_changes_nothing(self, reached):
        file, server, api = reached
        for text in ("", None):
            if text is None:
                file.unlink()
            else:
                file.write_text(text)
            api.get("/api")
        assert server.tokens() == ["one"] * 3

    def test_one_that_holds_no_longer_is_told(self, reached):
        _, server, api = reached
        server.takes = "other"
        with pytest.raises(ApiRefused, match="Unauthorized"):
            api.get("/api")
        assert server.tokens() == ["one"] * 3  # and once again, read anew

    def test_one_that_is_not_there(self, tmp_path):
        api = Api(kubeconfig(tmp_path / "k", "http://127.0.0.1:1", {"tokenFile": "none"}))
        with pytest.raises(UsageError, match=r"none'?$|No such file"):
            api.get("/api")


@pytest.mark.parametrize("token", ["a\nb", "a b", "tökèn"])
def test_what_is_no_token(tmp_path, token):
    api = Api(kubeconfig(tmp_path / "k", "http://127.0.0.1:1", {"token": token}))
    with pytest.raises(UsageError, match="characters that no token has"):
        api.get("/api")


def test_a_connection_that_ends_in_the_middle_of_tls_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(1)  # the client's hello has come
                connection.shutdown(socket.SHUT_WR)
                connection.recv(4096)
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        with (
            closing(Api(kubeconfig(tmp_path / "k", f"https://127.0.0.1:{port}", {}))) as api,
            pytest.raises(EnvironmentProblem, match="ends the connection while TLS begins") as told,
        ):
            api.get("/api")
        assert "client certificate" in told.value.remedy
        listener.shutdown(socket.SHUT_RDWR)


def test_a_renewed_client_certificate_is_used(tmp_path):
    authority = Authority(tmp_path)
    context = authority.context()
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    # With 1.3 its refusal may be lost: the client has sent its request already.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    old, key = authority.signed("user", days=-1)
    user = {"client-certificate": old.name, "client-key": key.name}
    with (
        ApiServer(context) as server,
        closing(
            Api(kubeconfig(tmp_path / "k", server.url, user, certificate_authority="authority.pem"))
        ) as api,
    ):
        with pytest.raises(
            EnvironmentProblem, match="does not accept this user's client certificate"
        ):
            api.get("/api")
        authority.signed("user")
        api.get("/api")
        assert ran(api) == "hello"


PLUGIN = """\
import json, os, sys, time
counter = os.environ["COUNTER"]
with open(counter, "a") as file:
    file.write("x")
runs = os.path.getsize(counter)
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert info["spec"]["interactive"] is False
stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + float(sys.argv[1])))
status = {"token": f"token-{runs}", "expirationTimestamp": stamp}
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""
V1 = "client.authentication.k8s.io/v1"


class TestPlugin:
    def user(self, tmp_path, *arguments: str, code: str = PLUGIN) -> dict:
        script = tmp_path / "plugin.py"
        script.write_text(code)
        return {
            "exec": {
                "apiVersion": V1,
                "command": sys.executable,
                "args": [str(script), *arguments],
                "env": [{"name": "COUNTER", "value": str(tmp_path / "counter")}],
                "installHint": "get it from example.org",
            }
        }

    def runs(self, tmp_path) -> int:
        return (tmp_path / "counter").stat().st_size

    def test_it_runs_once_for_as_long_as_its_token_lives(self, tmp_path):
        with ApiServer() as server:
            path = kubeconfig(tmp_path / "k", server.url, self.user(tmp_path, "60"))
            with closing(Api(path)) as api:
                for _ in range(5):
                    api.get("/api")
                assert ran(api) == "hello"
            assert {each.first("authorization") for each in server.asked} == {"Bearer token-1"}
        assert self.runs(tmp_path) == 1

    def test_and_again_near_its_end(self, tmp_path, monkeypatch):
        with ApiServer() as server:
            path = kubeconfig(tmp_path / "k", server.url, self.user(tmp_path, "60"))
            with closing(Api(path)) as api:
                api.get("/api")
                now = time.monotonic() + 48
                monkeypatch.setattr(kubeconfigs.time, "monotonic", lambda: now)
                api.get("/api")
                now += 4
                api.get("/api")
                assert self.runs(tmp_path) == 2

    def test_a_clock_that_is_ahead_does_not_make_it_run_each_time(self, tmp_path):
        with ApiServer() as server:
            path = kubeconfig(tmp_path / "k", server.url, self.user(tmp_path, "-600"))
            with closing(Api(path)) as api:
                for _ in range(5):
                    api.get("/api")
        assert self.runs(tmp_path) == 1

    def test_what_was_refused_makes_it_run_again(self, tmp_path):
        with Guarded("token-2") as server:
            path = kubeconfig(tmp_path / "k", server.url, self.user(tmp_path, "600"))
            with closing(Api(path)) as api:
                for _ in range(3):
                    api.get("/api")
        assert self.runs(tmp_path) == 2

    def told(self, tmp_path, user) -> str:
        with ApiServer() as server:
            api = Api(kubeconfig(tmp_path / "k", server.url, user))
            with pytest.raises(EnvironmentProblem) as raised:
                api.get("/api")
            assert server.asked == []  # nobody in particular is never tried instead
        return str(raised.value)

    def test_its_own_words_when_it_fails(self, tmp_path):
        code = "import sys; sys.exit('session expired: run `login`')"
        told = self.told(tmp_path, self.user(tmp_path, code=code))
        assert "exec plugin failed" in told
        assert "exit code 1: session expired: run `login`" in told

    def test_one_that_is_not_installed(self, tmp_path):
        user = self.user(tmp_path)
        user["exec"]["command"] = "svcproof-no-such-plugin"
        told = self.told(tmp_path, user)
        assert "svcproof-no-such-plugin" in told
        assert "get it from example.org" in told

    def test_one_that_waits_for_somebody(self, tmp_path, monkeypatch):
        monkeypatch.setattr(exec_plugin, "_LIMIT_SECONDS", 1.0)
        code = (
            "import sys, time; print('open https://example.org', file=sys.stderr, flush=True); "
            "time.sleep(60)"
        )
        told = self.told(tmp_path, self.user(tmp_path, code=code))
        assert "not done after 1 s: open https://example.org" in told

    @pytest.mark.parametrize(
        ("output", "reason"),
        [
            ("hello", "Expecting value"),
            (json.dumps({"apiVersion": V1}), "status"),
            (json.dumps({"apiVersion": V1, "status": {}}), "neither token nor"),
            (json.dumps({"apiVersion": "v0", "status": {"token": "t"}}), "apiVersion is v0"),
            (json.dumps({"apiVersion": V1, "status": {"clientCertificateData": "c"}}), "neither"),
        ],
    )
    def test_one_that_gives_no_credentials(self, tmp_path, output, reason):
        told = self.told(tmp_path, self.user(tmp_path, code=f"print({output!r})"))
        assert "gave no credentials" in told
        assert reason in told

    def test_it_is_not_asked_where_there_is_a_token(self, tmp_path):
        user = {**self.user(tmp_path, code="raise SystemExit(1)"), "token": "mine"}
        with ApiServer() as server:
            with closing(Api(kubeconfig(tmp_path / "k", server.url, user))) as api:
                api.get("/api")
            assert server.asked[0].first("authorization") == "Bearer mine"

    def test_certificates_of_a_plugin(self, tmp_path):
        authority = Authority(tmp_path)
        context = authority.context()
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        certificate, key = authority.signed("user")
        status = {
            "clientCertificateData": certificate.read_text(),
            "clientKeyData": key.read_text(),
        }
        code = f"print({json.dumps({'apiVersion': V1, 'status': status})!r})"
        with ApiServer(context) as server:
            user = self.user(tmp_path, code=code)
            path = kubeconfig(
                tmp_path / "k", server.url, user, certificate_authority="authority.pem"
            )
            with closing(Api(path)) as api:
                assert ran(api) == "hello"

    def test_what_it_is_told_of_the_cluster(self, tmp_path):
        (tmp_path / "ca").write_text("CA")
        code = (
            "import json, os; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
            "raise SystemExit(json.dumps(info['spec']['cluster']))"
        )
        cluster = {
            "server": "https://example.org",
            "certificate-authority": "ca",
            "extensions": [
                {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "me"}}
            ],
        }
        settings = self.user(tmp_path, code=code)["exec"] | {"provideClusterInfo": True}
        with pytest.raises(EnvironmentProblem) as raised:
            exec_plugin.run_plugin(settings, cluster, tmp_path)
        told = json.loads(str(raised.value).partition("code 1: ")[2].partition("\n")[0])
        assert told == {
            "server": "https://example.org",
            "certificate-authority-data": base64.b64encode(b"CA").decode(),
            "config": {"audience": "me"},
        }


class TestImpersonation:
    def asked(self, tmp_path, user) -> list:
        with ApiServer() as server:
            path = kubeconfig(tmp_path / "k", server.url, {"token": "t", **user})
            with closing(Api(path)) as api:
                api.get("/api")
                ran(api)
        return server.asked

    def test_requests_and_execs_are_another_users(self, tmp_path):
        asked = self.asked(
            tmp_path,
            {
                "as": "jane",
                "as-uid": "17",
                "as-groups": ["dev", "ops, really"],
                "as-user-extra": {"Scopes/a": ["view", "edit"]},
            },
        )
        assert len(asked) == 3
        for request in asked:
            assert request.all("authorization") == ["Bearer t"]
            assert request.all("impersonate-user") == ["jane"]
            assert request.all("impersonate-uid") == ["17"]
            assert request.all("impersonate-group") == ["dev", "ops, really"]
            assert request.all("impersonate-extra-scopes%2fa") == ["view", "edit"]

    def test_nobody_else_without(self, tmp_path):
        for request in self.asked(tmp_path, {}):
            assert not [name for name, _ in request.headers if "impersonate" in name.lower()]

    def test_groups_of_nobody(self, tmp_path):
        path = kubeconfig(tmp_path / "k", "http://127.0.0.1:1", {"as-groups": ["dev"]})
        with pytest.raises(UsageError, match="need an `as`"):
            Api(path).get("/api")


class TestContexts:
    def test_whoever_switches_contexts_means_other_programs(self, tmp_path, monkeypatch):
        with Guarded("one") as server:
            path = kubeconfig(tmp_path / "k", server.url, {"token": "one"})
            with closing(Api(path)) as api:
                api.get("/api")
                text = path.read_text().replace("current-context: x", "current-context: other")
                path.write_text(text.replace("token: one", "token: two"))
                server.takes = "two"
                api.get("/api")

    def test_a_kubeconfig_that_leads_elsewhere_meanwhile(self, tmp_path):
        with Guarded("one") as server:
            path = kubeconfig(tmp_path / "k", server.url, {"token": "one"})
            with closing(Api(path)) as api:
                api.get("/api")
                kubeconfig(path, "http://127.0.0.1:1", {"token": "two"})
                server.takes = "two"
                with pytest.raises(EnvironmentProblem, match=r"leads to http://127.0.0.1:1 now"):
                    api.get("/api")

    @pytest.mark.parametrize(
        ("context", "told"),
        [("y", "no context 'y'; contexts: x"), ("", "no current-context; contexts: x")],
    )
    def test_one_that_is_not_there(self, tmp_path, context, told):
        path = kubeconfig(tmp_path / "k", "http://127.0.0.1:1")
        path.write_text(path.read_text().replace("current-context: x", ""))
        with pytest.raises(UsageError, match=told):
            Api(path, context=context).get("/api")

    def test_files_that_are_joined_are_relative_each_to_its_own(self, tmp_path, monkeypatch):
        with Guarded("mine") as server:
            for name in ("a", "b"):
                (tmp_path / name).mkdir()
            first = kubeconfig(tmp_path / "a" / "k", server.url)
            first.write_text(first.read_text().replace("name: u", "name: other"))
            second = kubeconfig(tmp_path / "b" / "k", server.url, {"tokenFile": "token"})
            (tmp_path / "b" / "token").write_text("mine")
            monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (first, second))))
            with closing(Api(None)) as api:
                api.get("/api")
