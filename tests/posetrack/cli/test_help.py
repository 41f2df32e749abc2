import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from posetrack.cli.examples import EXAMPLES
from posetrack.cli.help import SHORT
from posetrack.cli.main import app

FEW = 6
"""A command with no more options than these needs no groups."""


def list_commands(command, name="posetrack"):
    command = getattr(command, "imported", command)
    yield name, command
    for own, each in getattr(command, "commands", {}).items():
        yield from list_commands(each, f"{name} {own}")


COMMANDS = dict(list_commands(typer.main.get_command(app)))


def read_help(name):
    result = CliRunner().invoke(app, [*name.split()[1:], "--help"], env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    return result.output


def test_brackets_stay_in_help():
    # Unescaped ones would be taken for styles, and left out.
    assert "posetrack eval densepose" in COMMANDS
    lost = [
        (name, text)
        for name, command in COMMANDS.items()
        for text in (command.help, *(getattr(option, "help", None) for option in command.params))
        if text and re.search(r"(?<!\\)\[[a-z/@#]", text)
    ]
    assert lost == []


def test_the_help_names_the_extra():
    shown = read_help("posetrack eval densepose")
    assert "pip install 'posetrack[plots]'" in " ".join(shown.replace("│", " ").split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_ends_with_examples(name):
    shown = read_help(name)
    for line, comment in EXAMPLES[name.removeprefix("posetrack").strip()]:
        assert re.search(rf"{re.escape(line)} +# {re.escape(comment)}", shown)
    assert shown.index("Examples:") > shown.index("--help")


def test_no_example_is_of_no_command():
    assert {name.removeprefix("posetrack").strip() for name in COMMANDS} == set(EXAMPLES)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line, _ in lines])
def test_examples_are_valid(line):
    words = shlex.split(line.partition(" > ")[0])
    words = words[words.index("posetrack") + 1 :]
    command = COMMANDS["posetrack"]
    # `bench` takes a clip where it has no command of that name.
    while hasattr(command, "commands") and (command.name != "bench" or words[0] in command.commands):
        command = command.commands[words.pop(0)]
        command = getattr(command, "imported", command)
    if "--help" not in words:
        command.make_context(command.name, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_shown_as_flags(name):
    assert "<bool>" not in read_help(name)
    assert "BOOLEAN" not in read_help(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_many_options_are_in_groups(name):
    options = [param for param in COMMANDS[name].params if param.param_type_name == "option"]
    alone = [option.name for option in options if option.rich_help_panel is None]
    assert len(options) <= FEW or len(alone) <= FEW, alone


@pytest.mark.parametrize("name", COMMANDS)
def test_short_names_are_the_same_everywhere(name):
    if hasattr(COMMANDS[name], "commands"):
        return
    for param in COMMANDS[name].params:
        for long, short in SHORT.items():
            assert (long in param.opts) == (short in param.opts)


def test_a_short_name_is_the_option():
    result = CliRunner().invoke(app, ["run", "nothing.mp4", "-r", "nonesuch"])
    assert "nonesuch: no such recipe" in str(result.exception)
    assert CliRunner().invoke(app, ["-h"]).output == CliRunner().invoke(app, ["--help"]).output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("posetrack re", {"retrack", "recipes", "review"}),
        ("posetrack run -r swahr-w3", {"swahr-w32"}),
        ("posetrack run --format posetrack1", {"posetrack17", "posetrack18"}),
        ("posetrack run --over", {"--overwrite"}),
    ],
)
def test_a_shell_completes(words, expected):
    number = len(words.split()) - 1
    asked = {"_POSETRACK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    result = CliRunner().invoke(app, [], env=asked, prog_name="posetrack")
    assert set(result.output.split()) == expected
