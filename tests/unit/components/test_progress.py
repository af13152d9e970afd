"""Progress as lines and as bars."""

import io

import pytest

from svcproof.components.progress import Silent, open_progress
from svcproof.components.progress_bar import Bar
from svcproof.components.progress_lines import Lines, clock


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def time():
    return Clock()


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def lines(stream, time):
    return Lines(stream, now=time)


class TestLines:
    def test_one_at_each_five_percent(self, lines, stream, time):
        lines.plan({"kube": 100})
        for _ in range(100):
            time.seconds += 1
            lines.compiled("kube")
        said = stream.getvalue().splitlines()
        assert len(said) == 1 + 20
        assert said[1] == (
            "svcproof components: 5 %: 5 of 100 packages compiled, now kube (5 of 100), "
            "0:05 passed, about 1:35 left"
        )
        assert said[-1].endswith("1:40 passed, about 0:00 left")

    def test_a_fast_build_says_little(self, lines, stream, time):
        lines.plan({"kube": 1000})
        for _ in range(1000):
            time.seconds += 0.001
            lines.compiled("kube")
        assert len(stream.getvalue().splitlines()) == 1

    def test_silence_is_broken_after_half_a_minute(self, lines, stream, time):
        lines.phase("linking kube")
        for _ in range(65):
            time.seconds += 1
            lines.tick()
        assert (
            stream.getvalue().splitlines()[1:] == ["svcproof components: linking kube, still"] * 2
        )

    def test_a_phase_is_said_once(self, lines, stream):
        for _ in range(3):
            lines.phase("waiting for process 7, which builds components")
        assert stream.getvalue().count("waiting") == 1

    def test_nothing_to_compile(self, lines, stream):
        lines.plan({})
        lines.tick()
        assert "0 packages to compile (none)" in stream.getvalue()


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)


class TestBar:
    def test_it_shows_each_part_and_the_whole(self):
        terminal = Terminal()
        with Bar(terminal) as bar:
            bar.phase("finding what to compile")
            bar.plan({"kube": 2, "etcd": 1})
            for part in ("kube", "kube", "etcd"):
                bar.compiled(part)
        shown = terminal.getvalue()
        assert "finding what to compile" in shown
        assert all(text in shown for text in ("kube", "etcd", "in all", "2/2", "1/1", "3/3"))

    def test_a_phase_is_said_once(self):
        terminal = Terminal()
        with Bar(terminal) as bar:
            bar.phase("waiting for process 7")
            bar.phase("waiting for process 7")
        assert terminal.getvalue().count("waiting for process 7") == 1

    def test_when_it_is_over_the_terminal_is_free_and_it_can_begin_again(self):
        terminal = Terminal()
        with Bar(terminal) as bar:
            for part in ("kube", "etcd"):
                bar.plan({part: 1})
                bar.compiled(part)
                bar.finish()
                assert terminal.getvalue().endswith("\x1b[?25h")  # the cursor is back
        assert terminal.getvalue().count("1/1") >= 4

    def test_without_anything_to_say_nothing_is_written(self):
        terminal = Terminal()
        with Bar(terminal):
            pass
        assert terminal.getvalue() == ""


class TestChoice:
    def test_a_terminal_gets_bars(self):
        with open_progress(Terminal()) as progress:
            assert isinstance(progress, Bar)

    @pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
    def test_a_terminal_that_shows_no_bars_gets_lines(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with open_progress(Terminal()) as progress:
            assert isinstance(progress, Lines)

    def test_a_file_gets_lines(self, stream):
        with open_progress(stream) as progress:
            assert isinstance(progress, Lines)


def test_silence():
    silent = Silent()
    silent.phase("x")
    silent.plan({"kube": 1})
    silent.compiled("kube")
    silent.tick()
    silent.finish()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.9, "1:05"), (3600, "60:00")])
def test_clock(seconds, text):
    assert clock(seconds) == text
