"""Hooks of mkdocs: README and CHANGELOG become pages, and so does every file of the project that a page links to."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "changes.md": "CHANGELOG.md"}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)#\s]+)")
CODE = "code"  # folder of the pages of other files
LANGUAGES = {".py": "python", ".yaml": "yaml"}


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that do not lie in docs/, and those of all that is linked to."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=_moved((ROOT / source).read_text(), "", page)))
    seen = set[str]()
    while new := [file for file in files.documentation_pages() if file.src_uri not in seen]:
        for file in new:
            seen.add(file.src_uri)
            for linked in _outside(file.content_string, file.src_uri):
                page = f"{CODE}/{linked}.md"
                if linked not in PAGES.values() and not files.get_file_from_path(page):
                    files.append(File.generated(config, page, content=_page(linked)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to other files of the project become links to their pages."""
    if page.file.src_uri in PAGES:
        return markdown  # done
    folder = posixpath.dirname(_place(page.file.src_uri))
    return _moved(markdown, folder, page.file.src_uri)


def _place(page: str) -> str:
    """Where a page's source lies in the project."""
    if page.startswith(f"{CODE}/"):
        return page.removeprefix(f"{CODE}/").removesuffix(".md")
    return PAGES.get(page) or f"docs/{page}"


def _outside(text: str, page: str) -> set[str]:
    """Files of the project outside docs/ that a page's text links to."""
    if page in PAGES:
        text = (ROOT / PAGES[page]).read_text()
    folder = posixpath.dirname(_place(page))
    found = {posixpath.normpath(posixpath.join(folder, link)) for link in LINK.findall(text)}
    return {one for one in found if not one.startswith("docs/") and (ROOT / one).exists()}


def _moved(text: str, folder: str, page: str) -> str:
    """Text of a file of `folder` with links that hold on `page`."""

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        if not (ROOT / target).exists():
            return match[1]
        of_page = {source: name for name, source in PAGES.items()}
        goal = of_page.get(target) or (target[5:] if target.startswith("docs/") else f"{CODE}/{target}.md")
        return posixpath.relpath(goal, posixpath.dirname(page) or ".")

    return LINK.sub(link, text)


def _page(path: str) -> str:
    """The page of a file or a folder."""
    file = ROOT / path
    if file.is_dir():
        rows = [f"- `{one.name}`" for one in sorted(file.iterdir()) if one.suffix in LANGUAGES]
        return "\n".join([f"# {path}", "", *rows])
    text = file.read_text()
    if file.suffix == ".md":
        return text
    return f"# {path}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n"
