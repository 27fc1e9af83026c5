"""The documentation's pages."""

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    build(config)  # ends in an exception for a link to nowhere
    return folder


def test_every_page_leads_to_pages_that_are_there(site: Path) -> None:
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    assert len(pages) > 20
    for page, text in pages.items():
        for link in re.findall(r'(?:href|src)="([^":#?]+)["#?]', text):
            there = site / link.lstrip("/") if page.name == "404.html" else page.parent / link
            assert there.exists(), f"{page.relative_to(site)}: {link}"


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    """Pages need no network: what a browser loads lies beside them."""
    for page in site.rglob("*.html"):
        assert not re.findall(
            r'<(?:script|img|link rel="(?:stylesheet|icon)")[^>]*(?:src|href)="https?:', page.read_text()
        )


def test_every_page_of_docs_is_in_the_list(site: Path) -> None:
    listed = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}" in listed, page.name
