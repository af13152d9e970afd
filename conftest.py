"""For this repository's own tests; the plugin under test is the installed one."""

from hypothesis import settings

pytest_plugins = ["pytester"]

# The same examples each time: a test that fails now and then proves nothing.
settings.register_profile("svcproof", derandomize=True, deadline=None)
settings.load_profile("svcproof")
