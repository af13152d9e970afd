"""Every command line of the pages is executed, or says why not."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.blocks import RECORDS, ROOT, blocks, pages, perform

PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
FAKE = {"PYTEST_ADDOPTS": "--svc-cluster fake -p no:cacheprovider"}


@pytest.mark.parametrize("page", PAGES)
def test_what_needs_no_cluster_is_executed(page, tmp_path):
    """All of a page, one after the other, in one directory."""
    for block in blocks(PAGES[page]):
        if not (block.reason or block.needs_cluster):
            perform(block, tmp_path, limit=120, **FAKE)


@pytest.mark.parametrize("page", PAGES)
def test_a_mark_is_understood(page):
    """A comment that is misspelt would have a line executed, or not, against its will."""
    lines = PAGES[page].read_text().splitlines()
    marks = [line for line in lines if re.match(r"\s*<!-- *(not )?executed", line)]
    skipped = [block for block in blocks(PAGES[page]) if not block.name]
    understood = [b for b in skipped if b.reason or b.needs_cluster or b.exit_code]
    assert len(marks) == len(understood)


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_in_a_block_without_a_language(page):
    fences = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", PAGES[page].read_text(), re.M | re.S)
    assert not [
        text
        for language, text in fences
        if not language and re.match(r"\$? ?(svcproof|pytest|pip|tox|kubectl) ", text)
    ]


def test_records_are_there():
    assert all(Path(ROOT, record).is_file() for record in RECORDS)
