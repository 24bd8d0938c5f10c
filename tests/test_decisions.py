"""The decision pages: each has the form that page 0001 prescribes, is indexed, and cites what exists.

The pages are prose for contributors, so nothing else notices when one is left out of the index, names a file
that was moved, or cites a document that is not in the repository.
"""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
REPOSITORY = DOCS.parent
PAGES = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
GUIDES = [*PAGES, DOCS / "decisions" / "README.md", DOCS / "architecture.md", REPOSITORY / "CONTRIBUTING.md"]
EVERY = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])

PARTS = ("Where we stood", "What we chose", "What else there was", "What follows")
DATE = r"\d{4}-\d\d-\d\d"
STATUS = re.compile(
    rf"\*(?:Accepted {DATE}(?:; (?:recorded|reworded|rewritten)[^.*]*{DATE})?|Superseded by [^.*]*{DATE})\."
)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`((?:docs|tests|benchmarks|systemd|promptd)/[\w/.-]+\.\w+)`")
DOCUMENT = re.compile(r"\b[A-Z]{3,}\.md\b")  # a document is named in capitals


def titled(page: Path) -> tuple[str, str]:
    """Return the number and the title in a page's first line."""
    found = re.match(r"# (\d{4}) (.+)\n", page.read_text())
    assert found, page.name
    return found[1], found[2]


def anchors(page: Path) -> set[str]:
    """Return the fragments that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(page: Path) -> str:
    """Return a page's path in the repository, for the test's id."""
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_has_the_form_of_0001(page: Path) -> None:
    """Number in name and title, a dated status, the decision, then the four parts in order."""
    number, _ = titled(page)
    assert re.fullmatch(rf"{number}(-[a-z0-9]+)+\.md", page.name)
    blocks = page.read_text().split("\n\n")
    assert STATUS.match(blocks[1]), blocks[1]
    assert not blocks[2].startswith(("*", "#", "-", "|")), "the decision in a sentence comes before its parts"
    found = re.findall(r"^\*\*(What [a-z ]+|Where [a-z ]+)[.:]", page.read_text(), re.MULTILINE)
    assert list(dict.fromkeys(found)) == list(PARTS)


def test_numbers_are_unique() -> None:
    """A number means one decision for good."""
    numbers = [titled(page)[0] for page in PAGES]
    assert sorted(set(numbers)) == numbers


def test_the_index_has_every_page_newest_last() -> None:
    """One line a page, in order of the numbers, with the page's own title."""
    lines = [f"- [{titled(page)[0]}]({page.name}) {titled(page)[1]}" for page in PAGES]
    index = (DOCS / "decisions" / "README.md").read_text().splitlines()
    assert [line for line in index if line.startswith("- ")] == lines


@pytest.mark.parametrize("page", EVERY, ids=name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    """A relative link names a file that exists here and, after `#`, a heading in it."""
    for target, fragment in LINK.findall(page.read_text()):
        if ":" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        assert file.is_relative_to(REPOSITORY), target
        if fragment and file.suffix == ".md":
            assert fragment in anchors(file), f"{target}#{fragment}"


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    """A test, benchmark, unit or document that a contributor is sent to is there."""
    missing = [file for file in FILE.findall(page.read_text()) if not (REPOSITORY / file).exists()]
    assert missing == []


def test_modules_of_the_architecture_page_exist() -> None:
    """A module that the page names without `promptd/` and suffix, in its diagrams and tables, is there."""
    packages = [path.name for path in (REPOSITORY / "promptd").iterdir() if path.is_dir()]
    named = re.findall(rf"(?<![\w/.])(?:{'|'.join(packages)})/[\w/]+", (DOCS / "architecture.md").read_text())
    paths = {module: REPOSITORY / "promptd" / module.rstrip("/") for module in named}
    assert len(paths) > 40
    assert [
        module for module, at in paths.items() if not (at.is_dir() or at.with_suffix(".py").exists())
    ] == []


@pytest.mark.parametrize("page", EVERY, ids=name)
def test_nothing_outside_the_repository_is_cited(page: Path) -> None:
    """Whatever a reader needs is in the repository: no section numbers or names of other documents."""
    text = page.read_text()
    cited = set(DOCUMENT.findall(text))
    assert [document for document in sorted(cited) if not (REPOSITORY / document).exists()] == []
    assert "§" not in text
    assert "../../.." not in text
