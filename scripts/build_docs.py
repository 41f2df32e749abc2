"""Builds the documentation as a site in build/site: docs/, and the cards of the weights as pages of it.

make docs
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "models" / "weights"
GROUPS = {
    "Use": (
        "run",
        "formats",
        "recipes",
        "speed",
        "tracking",
        "overlay",
        "drawing",
        "edit",
        "measure",
        "live",
        "cluster",
        "python",
        "notebook",
        "extend",
    ),
    "Networks": ("own_data", "training", "evaluation", "protocols", "densepose", "export", "weights"),
}
"""The pages of docs/ in the order of the navigation; others follow."""


def main() -> None:
    """Stage the pages and build the site; a broken link fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="Folder to build in.")
    build = parser.parse_args().build.absolute()
    pages = stage(build)
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    config |= {"nav": make_nav(pages), "docs_dir": str(pages), "site_dir": str(build / "site")}
    config_file = build / "mkdocs.yml"
    config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
    # The theme's note about a later version of the builder is no fault of a page.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--clean", "--strict", "-f"]
    command.append(str(config_file))
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def stage(build: Path) -> Path:
    """Copy the pages to where the site is built from, and return that folder."""
    pages = build / "docs"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs", pages)
    (pages / "notebook.md").write_text(convert_notebook(pages / "python.ipynb"), encoding="utf-8")
    (pages / "cards").mkdir()
    for page in sorted(pages.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("](../models/weights/", "](cards/"), encoding="utf-8")
    for card in sorted(CARDS.glob("*.md")):
        text = re.sub(r"\]\((?:\.\./)+docs/", "](../", card.read_text(encoding="utf-8"))
        (pages / "cards" / card.name).write_text(text, encoding="utf-8")
    return pages


def convert_notebook(notebook: Path) -> str:
    """A notebook as a page: its text, its code, and a link to the file."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = [
        f"```python\n{source}\n```" if cell["cell_type"] == "code" else source
        for cell in cells
        for source in ["".join(cell["source"])]
    ]
    texts.insert(1, f"This page is [a notebook]({notebook.name}), to be run cell by cell.")
    return "\n\n".join(texts) + "\n"


def make_nav(pages: Path) -> list[dict[str, object]]:
    """The navigation of the staged pages, in their groups."""
    names = {page.stem for page in pages.glob("*.md")} - {"index"}
    groups = {title: [name for name in group if name in names] for title, group in GROUPS.items()}
    groups["Use"] += sorted(names - {name for group in groups.values() for name in group})
    nav: list[dict[str, object]] = [{"Start": "index.md"}]
    nav += [{title: [f"{name}.md" for name in group]} for title, group in groups.items()]
    return [*nav, {"Model cards": [f"cards/{page.name}" for page in sorted((pages / "cards").glob("*.md"))]}]


if __name__ == "__main__":
    main()
