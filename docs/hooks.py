"""MkDocs hook: a page of the API reference for each module of the paper and for each wing, made while building."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LIBRARY = Path(__file__).parent.parent / "scripts" / "said"


def api_pages() -> dict[str, list[str]]:
    """Modules shown on each page, by the page's name: a module's own, or a wing's with all of its modules."""
    pages = {
        f"said.{path.stem}": [f"said.{path.stem}"] for path in sorted(LIBRARY.glob("*.py")) if path.stem != "__init__"
    }
    for wing in sorted(path.parent for path in LIBRARY.glob("*/__init__.py")):
        pages[f"said.{wing.name}"] = [
            ".".join(("said", *path.relative_to(LIBRARY).with_suffix("").parts))
            for path in sorted(wing.rglob("*.py"))
            if path.stem != "__init__"
        ]
    return pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages at the end of the navigation."""
    config.nav.append({"API": [{name.removeprefix("said."): f"api/{name}.md"} for name in api_pages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, which are nowhere on the disk."""
    for name, modules in api_pages().items():
        content = "\n".join([f"# {name}\n", *(f"::: {module}\n" for module in modules)])
        files.append(File.generated(config, f"api/{name}.md", content=content))
    return files
