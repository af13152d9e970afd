"""The way to an API server: proxies, TLS, websockets, restarts; one rule for requests and execs."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.clusters import retrying
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.pod_command import run_in_pod
from svcproof.clusters.proxies import credentials_of, proxy_of, shown
from svcproof.errors import ApiRefused, EnvironmentProblem, MissingTool, UsageError
from tests.unit.api_server import (
    ApiServer,
    Authority,
    Proxy,
    Socks,
    closing,
    kubeconfig,
    reply,
)

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def hurried(request, monkeypatch):
    if "hypothesis" not in request.keywords:
        monkeypatch.setattr(retrying, "_PAUSE_FACTOR_SECONDS", 0.001)


class TestTheRule:
    @pytest.mark.parametrize(
        ("server", "exceptions"),
        [
            ("https://10.1.2.3:6443", "10.1.2.3"),
            ("https://10.1.2.3:6443", "10.0.0.0/8"),
            ("https://10.1.2.3:6443", "localhost, 10.0.0.0/8 , .svc"),
            ("https://10.1.2.3:6443", "localhost 10.0.0.0/8"),
            ("https://10.1.2.3:6443", "10.1.2.3:6443"),
            ("https://[fd00::7]:6443", "fd00::/64"),
            ("https://[fd00::7]:6443", "fd00::7"),
            ("https://[fd00::7]:6443", "[fd00::7]:6443"),
            ("https://api.example.org", "example.org"),
            ("https://api.example.org", ".example.org"),
            ("https://api.example.org", "*.example.org"),
            ("https://API.example.org", "api.EXAMPLE.org"),
            ("https://api.example.org", "api.example.org:443"),
            ("https://api.example.org", "*"),
            ("https://localhost:6443", ""),
            ("https://127.0.0.1:6443", ""),
            ("https://[::1]:6443", ""),
        ],
    )
    def test_no_proxy(self, server, exceptions):
        assert proxy_of(server, "", {"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions}) == ""
        assert proxy_of(server, "", {"https_proxy": PROXY, "no_proxy": exceptions}) == ""

    @pytest.mark.parametrize(
        ("server", "exceptions"),
        [
            ("https://10.1.2.3:6443", ""),
            ("https://10.1.2.3:6443", "10.1.2.30, 192.168.0.0/16, 10.1.2.3:443"),
            ("https://[fd00::7]:6443", "fd01::/64"),
            ("https://api.example.org", "notexample.org, ample.org, api.example.org:6443"),
            ("https://example.org", ".example.org"),
            ("https://example.org", "*.example.org"),
        ],
    )
    def test_a_proxy_all_the_same(self, server, exceptions):
        assert proxy_of(server, "", {"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions}) == PROXY

    def test_that_of_the_kubeconfig_is_used_whatever_else_is_said(self):
        environment = {"NO_PROXY": "*", "HTTPS_PROXY": "http://other:1"}
        assert proxy_of("https://localhost:6443", PROXY, environment) == PROXY

    def test_each_scheme_has_its_own(self):
        environment = {"HTTP_PROXY": "http://a:1", "https_proxy": "b:2"}
        assert proxy_of("http://10.0.0.1", "", environment) == "http://a:1"
        assert proxy_of("https://10.0.0.1", "", environment) == "http://b:2"
        assert proxy_of("https://10.0.0.1", "", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}) == ""

    def test_a_socks_proxy_resolves_names(self):
        assert proxy_of("https://a", "socks5://p:1", {}) == "socks5h://p:1"
        assert proxy_of("https://a", "socks5h://me:x@p", {}) == "socks5h://me:x@p:1080"

    @pytest.mark.parametrize("wrong", ["ftp://p:1", "p:3128", "http://", "http://p:port", "http:p"])
    def test_what_is_no_proxy(self, wrong):
        with pytest.raises(UsageError, match="schemes: http, https, socks5, socks5h"):
            proxy_of("https://a", wrong, {})

    def test_its_secrets_are_not_told(self):
        with pytest.raises(UsageError) as raised:
            proxy_of("https://a", "ftp://me:secret@p:1", {})
        assert "secret" not in str(raised.value)
        assert shown("http://me:secret@p:1/x") == "http://p:1"

    @given(st.text(min_size=1), st.text())
    def test_credentials_lose_their_escapes(self, user, password):
        from urllib.parse import quote

        url = f"http://{quote(user, safe='')}:{quote(password, safe='')}@p:1"
        assert credentials_of(url) == f"{user}:{password}"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def reached(path) -> tuple[str, str]:
    """A request's answer and an exec's."""
    with closing(Api(path, timeout=5)) as api:
        return both(api)


def both(api: Api) -> tuple[str, str]:
    version = api.get("/version")["gitVersion"]
    code, output, _ = run_in_pod(api, "ns", "p", ["true"], limit=5)
    assert code == 0
    return version, output


BOTH = ("v1.36.4", "hello")


def failed(path) -> str:
    """Why neither gets through: the same words for both."""
    told = []
    for ask in (
        lambda api: api.get("/version"),
        lambda api: api.websocket("/api/v1/namespaces/ns/pods/p/exec", [], seconds=5),
    ):
        with closing(Api(path, timeout=1)) as api, pytest.raises(EnvironmentProblem) as raised:
            ask(api)
        told.append(raised.value.what)
    assert told[0] == told[1]
    return told[0]


class TestProxies:
    @pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
    def test_credentials_are_sent(self, tmp_path, authority, tls):
        context = authority.context() if tls else None
        ca = {"certificate_authority": str(authority.file)} if tls else {}
        with ApiServer(context) as server, Proxy("me:p@ss") as proxy:
            url = f"http://me:p%40ss@127.0.0.1:{proxy.port}"
            assert reached(kubeconfig(tmp_path / "k", server.url, proxy_url=url, **ca)) == BOTH
            assert len(proxy.asked) >= 2

    def test_those_of_the_environment(self, tmp_path, authority, monkeypatch):
        ca = {"certificate_authority": str(authority.file)}
        with ApiServer(authority.context(name="api.test")) as server, Proxy("me:x") as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"me:x@127.0.0.1:{proxy.port}")
            monkeypatch.setattr(proxy, "resolve", lambda _: "127.0.0.1")
            path = kubeconfig(tmp_path / "k", f"https://api.test:{server.port}", **ca)
            assert reached(path) == BOTH
            assert {each.path for each in proxy.asked} == {f"api.test:{server.port}"}

    def test_one_that_is_excepted_is_not_asked(self, tmp_path, authority, monkeypatch):
        ca = {"certificate_authority": str(authority.file)}
        with ApiServer(authority.context(address="127.0.0.1")) as server:
            monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
            monkeypatch.setenv("NO_PROXY", "example.org , 127.0.0.0/8")
            assert reached(kubeconfig(tmp_path / "k", server.url, **ca)) == BOTH

    def test_none_or_others(self, tmp_path, authority):
        with ApiServer(authority.context()) as server, Proxy("me:secret") as proxy:
            for credentials in ("", "me:wrong@"):
                url = f"http://{credentials}127.0.0.1:{proxy.port}"
                ca = str(authority.file)
                path = kubeconfig(
                    tmp_path / "k", server.url, proxy_url=url, certificate_authority=ca
                )
                told = failed(path)
                assert told.startswith(f"the proxy http://127.0.0.1:{proxy.port} wants credentials")
                assert "407 Proxy Authentication Required" in told
                assert "wrong" not in told

    def test_one_that_does_not_let_through(self, tmp_path):
        with Proxy() as proxy:
            proxy.refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
            url = f"http://127.0.0.1:{proxy.port}"
            told = failed(kubeconfig(tmp_path / "k", "https://127.0.0.1:2", proxy_url=url))
            assert (
                told
                == f"the proxy {url} does not let through to https://127.0.0.1:2: 403 Forbidden"
            )

    def test_one_that_is_not_there(self, tmp_path):
        url = "http://127.0.0.1:1"
        told = failed(kubeconfig(tmp_path / "k", "https://127.0.0.1:2", proxy_url=url))
        assert told == (
            f"the proxy {url} on the way to https://127.0.0.1:2 does not answer: Connection refused"
        )

    def test_socks(self, tmp_path, authority):
        with ApiServer(authority.context(name="api.test")) as server, Socks() as proxy:
            path = kubeconfig(
                tmp_path / "k",
                f"https://api.test:{server.port}",
                proxy_url=f"socks5://127.0.0.1:{proxy.port}",
                certificate_authority=str(authority.file),
            )
            assert reached(path) == BOTH
            assert set(proxy.asked) == {(3, b"api.test")}  # by name: the proxy resolves it

    def test_socks_that_is_not_there(self, tmp_path):
        path = kubeconfig(tmp_path / "k", "https://10.0.0.1:2", proxy_url="socks5://127.0.0.1:1")
        told = failed(path)
        assert "does not answer" in told
        assert "socks5h://127.0.0.1:1" in told

    def test_socks_without_what_it_needs(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "socks", None)
        path = kubeconfig(tmp_path / "k", "https://127.0.0.1:2", proxy_url="socks5://127.0.0.1:1")
        with pytest.raises(MissingTool, match=r"pip install 'svcproof\[socks\]'"):
            Api(path).get("/version")

    def test_tls_within_tls(self, tmp_path, authority, monkeypatch):
        """Of a proxy with TLS the machine's authorities decide."""
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        with (
            ApiServer(authority.context()) as server,
            Proxy(tls=authority.context()) as proxy,
        ):
            path = kubeconfig(
                tmp_path / "k",
                server.url,
                proxy_url=f"https://127.0.0.1:{proxy.port}",
                certificate_authority=str(authority.file),
            )
            assert reached(path) == BOTH


class TestTls:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"address": "192.0.2.1"}, "is for another name: .*127.0.0.1"),
            ({"days": -1}, "has expired"),
        ],
    )
    def test_a_certificate_that_does_not_hold(self, tmp_path, authority, options, told):
        with ApiServer(authority.context(**options)) as server:
            path = kubeconfig(tmp_path / "k", server.url, certificate_authority=str(authority.file))
            assert re.match(f"the certificate of the API server {server.url} {told}", failed(path))

    def test_one_of_an_unknown_authority(self, tmp_path, authority):
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other")
        with ApiServer(authority.context()) as server:
            path = kubeconfig(tmp_path / "k", server.url, certificate_authority=str(other.file))
            assert "is of an authority that is not trusted" in failed(path)

    def test_the_name_that_it_has(self, tmp_path, authority):
        with ApiServer(authority.context(name="api.test", address="192.0.2.1")) as server:
            path = kubeconfig(
                tmp_path / "k",
                server.url,
                tls_server_name="api.test",
                certificate_authority=str(authority.file),
            )
            assert reached(path) == BOTH

    @pytest.mark.filterwarnings("ignore:Unverified HTTPS")
    def test_whoever_does_not_want_to_know(self, tmp_path, authority):
        with ApiServer(authority.context(days=-1)) as server:
            path = kubeconfig(tmp_path / "k", server.url, insecure_skip_tls_verify=True)
            assert reached(path) == BOTH

    def test_a_server_without_it(self, tmp_path):
        with ApiServer() as server:
            path = kubeconfig(tmp_path / "k", server.url.replace("http", "https"))
            assert "answers without TLS" in failed(path)

    def test_certificates_that_are_no_pair(self, tmp_path, authority):
        certificate, _ = authority.signed("one")
        _, key = authority.signed("two")
        with ApiServer(authority.context()) as server:
            user = {"client-certificate": str(certificate), "client-key": str(key)}
            path = kubeconfig(
                tmp_path / "k", server.url, user, certificate_authority=str(authority.file)
            )
            assert "cannot be shown the kubeconfig's certificates" in failed(path)


class TestWebsockets:
    def told(self, path) -> str:
        with (
            closing(Api(path, timeout=2)) as api,
            pytest.raises(EnvironmentProblem) as raised,
        ):
            run_in_pod(api, "ns", "p", ["true"], limit=5)
        return raised.value.what

    def test_a_proxy_that_strips_the_wish(self, tmp_path):
        with ApiServer() as server:
            server.passes_websockets = False
            told = self.told(kubeconfig(tmp_path / "k", server.url))
        assert told.startswith(f"no websocket passes to the API server {server.url}")
        assert "HTTP 400: Upgrade request required" in told

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (reply(403, "<html>no</html>"), "HTTP 403, text/html"),
            (reply(302, "", {"Location": "https://login.test/"}), "led to https://login.test/"),
            (reply(101, "", {"Content-Length": "0"}), "Invalid WebSocket Header"),
        ],
        ids=["a page", "a log-in", "a consent that is none"],
    )
    def test_what_else_is_on_the_way(self, tmp_path, answer, told):
        with ApiServer() as server:
            listed = server.answer
            server.answer = lambda request: answer if "/exec?" in request.path else listed(request)
            said = self.told(kubeconfig(tmp_path / "k", server.url))
        assert "no websocket passes" in said
        assert told in said

    @pytest.mark.parametrize(
        "answer",
        [
            reply(403, {"message": "you may not"}),
            reply(503, "<html>busy</html>"),
            reply(500, "busy: no such container", {"Content-Type": "text/plain"}),
            reply(404, "busy: no such container", {"Content-Type": "text/plain"}),
        ],
    )
    def test_a_refusal_is_not_that(self, tmp_path, answer):
        with ApiServer() as server:
            listed = server.answer
            server.answer = lambda request: answer if "/exec?" in request.path else listed(request)
            with (
                closing(Api(kubeconfig(tmp_path / "k", server.url))) as api,
                pytest.raises(ApiRefused, match=r"you may not|busy"),
            ):
                run_in_pod(api, "ns", "p", ["true"], limit=5)


class TestTrouble:
    def api(self, tmp_path, server) -> Api:
        return Api(kubeconfig(tmp_path / "k", server.url), timeout=2)

    def test_a_server_that_restarts_is_waited_for(self, tmp_path, monkeypatch):
        with ApiServer() as server, closing(self.api(tmp_path, server)) as api:
            api.get("/version")
            answers = iter([reply(503, {"message": "starting"})] * 5)
            listed = server.answer
            server.answer = lambda request: next(answers, None) or listed(request)
            assert api.get("/version")["gitVersion"]

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_one_that_stays_so_is_told(self, tmp_path, status):
        with ApiServer() as server, closing(self.api(tmp_path, server)) as api:
            server.answer = lambda _: reply(status, {"message": "not now"})
            with pytest.raises(ApiRefused, match="not now"):
                api.get("/version")
            assert len(server.asked) == 5

    def test_retry_after_is_kept_to_but_not_for_ever(self, tmp_path, monkeypatch):
        slept = []
        monkeypatch.setattr("urllib3.util.retry.time.sleep", slept.append)
        with ApiServer() as server, closing(self.api(tmp_path, server)) as api:
            server.answer = lambda _: reply(429, {}, {"Retry-After": "3600"})
            with pytest.raises(ApiRefused):
                api.get("/version")
        assert slept == [5] * 4

    def test_connections_that_break_are_made_again(self, tmp_path, monkeypatch):
        with ApiServer() as server, closing(self.api(tmp_path, server)) as api:
            serve, breaks = server.serve, iter([True] * 4)
            monkeypatch.setattr(
                server, "serve", lambda sock: sock.close() if next(breaks, None) else serve(sock)
            )
            api.get("/version")
            breaks = iter([True])
            assert both(api) == BOTH

    def test_what_was_made_before_the_answer_got_lost(self, tmp_path, monkeypatch):
        """A namespace of ours is there already: it is ours."""
        with ApiServer() as server, closing(self.api(tmp_path, server)) as api:
            answers = iter([reply(503, {}), reply(409, {"message": "already exists"})])
            server.answer = lambda _: next(answers)
            api.call("POST", "/api/v1/namespaces", {})
            server.answer = lambda _: reply(409, {"message": "already exists"})
            with pytest.raises(ApiRefused, match="already exists"):
                api.call("POST", "/api/v1/namespaces", {})

    def test_silence_is_asked_twice(self, tmp_path, monkeypatch):
        with ApiServer() as server:
            with closing(Api(kubeconfig(tmp_path / "k", server.url), timeout=0.1)) as api:
                monkeypatch.setattr(server, "answer", lambda _: b"")
                with pytest.raises(EnvironmentProblem, match="does not answer"):
                    api.get("/version")
            assert len(server.asked) == 2

    def test_a_server_that_is_not_there(self, tmp_path):
        for server, words in (
            ("https://127.0.0.1:1", "Connection refused"),
            ("https://none.invalid:1", r"(Name or service not known|.*resol.*)"),
        ):
            told = failed(kubeconfig(tmp_path / "k", server))
            assert re.fullmatch(f"the API server {server} does not answer: {words}", told)

    def test_a_log_in_page(self, tmp_path):
        with ApiServer() as server, ApiServer() as login:
            login.answer = lambda _: reply(200, "<html>sign in</html>")
            server.answer = lambda _: reply(302, "", {"Location": f"{login.url}/in"})
            told = ""
            with closing(self.api(tmp_path, server)) as api:
                with pytest.raises(EnvironmentProblem) as raised:
                    api.get("/version")
                told = raised.value.what
            assert told == (
                f"{login.url}/in (led there by {server.url}) is no API server: "
                "it answered text/html"
            )

    def test_one_that_leads_in_circles(self, tmp_path):
        with ApiServer() as server:
            server.answer = lambda _: reply(302, "", {"Location": f"{server.url}/in"})
            with (
                closing(self.api(tmp_path, server)) as api,
                pytest.raises(EnvironmentProblem, match="redirects"),
            ):
                api.get("/version")
