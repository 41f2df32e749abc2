"""The documentation: its pages agree with the code, and the site builds."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from made_scripts import load_script

from posetrack.cli.main import app
from posetrack.recipe import read_recipe
from posetrack.recipe_files import list_recipes

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_every_key_of_a_recipe_is_on_the_page_with_its_default():
    script = load_script("write_recipe_keys")
    page = (DOCS / "recipes.md").read_text()
    assert page.partition(script.BEGIN)[2] == script.make_tables(), "run scripts/write_recipe_keys.py"


def test_every_key_has_a_meaning():
    script = load_script("write_recipe_keys")
    settings = script.list_settings()
    assert len(settings) >= 11
    for title, kind in settings:
        meanings = script.read_meanings(kind)
        assert [entry.name for entry in fields(kind) if not meanings.get(entry.name)] == [], title


def test_keys_that_the_text_names_are_real():
    script = load_script("write_recipe_keys")
    known = {
        f"{title.strip('[').partition(']')[0]}.{entry.name}"
        for title, kind in script.list_settings()
        for entry in fields(kind)
    }
    text = (DOCS / "recipes.md").read_text().partition(script.BEGIN)[0]
    named = set(re.findall(r"`((?:detector|estimator|tracker|stitcher|smoother)\.\w+)", text))
    assert len(named) > 10
    assert named <= known


@pytest.mark.timeout(120)
def test_the_site_builds_without_a_broken_link(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "build_docs.py"), "--build", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    names = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert {page.stem for page in DOCS.glob("*.md")} <= names
    page = (tmp_path / "site" / "notebook.html").read_text()
    assert "PoseTrack in Python" in page
    assert 'href="python.ipynb"' in page
    assert (tmp_path / "site" / "python.ipynb").exists()
    assert "movenet-person" in {page.stem for page in (tmp_path / "site" / "cards").glob("*.html")}


def test_links_of_the_readme_are_files():
    text = (ROOT / "README.md").read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if link and not (ROOT / link).exists()] == []


def test_the_readme_has_the_numbers_of_the_recipes():
    text = (ROOT / "README.md").read_text()
    for name in list_recipes():
        about = read_recipe(name).about
        (row,) = re.findall(rf"^\| `{name}` \|(.*)\|$", text, re.M)
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[0] == about.purpose
        assert cells[1].partition(" ")[0] == (f"{about.ap:.3f}" if about.ap else "")
        assert cells[2] == (f"{about.frames_per_s:g}" if about.frames_per_s else "")


def test_commands_of_the_readme_are_commands():
    text = (ROOT / "README.md").read_text()
    options = set(re.findall(r"posetrack (?:run|draw|convert|retrack|live) [^`\n#]*", text))
    assert len(options) > 10
    command = typer.main.get_command(app)
    for line in options:
        name, *words = shlex.split(line.strip())[1:]
        command.commands[name].make_context(name, words)
