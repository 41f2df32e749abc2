import re

import typer
from typer.testing import CliRunner

from posetrack.cli.main import app


def list_commands(command, name="posetrack"):
    yield name, command
    for own, each in getattr(command, "commands", {}).items():
        yield from list_commands(each, f"{name} {own}")


def test_brackets_stay_in_help():
    # Unescaped ones would be taken for styles, and left out.
    commands = dict(list_commands(typer.main.get_command(app)))
    assert "posetrack eval densepose" in commands
    lost = [
        (name, text)
        for name, command in commands.items()
        for text in (command.help, *(getattr(option, "help", None) for option in command.params))
        if text and re.search(r"(?<!\\)\[[a-z/@#]", text)
    ]
    assert lost == []


def test_the_help_names_the_extra():
    shown = CliRunner().invoke(app, ["eval", "densepose", "--help"]).output
    assert "pip install 'posetrack[plots]'" in " ".join(shown.replace("│", " ").split())
