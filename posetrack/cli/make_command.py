"""Commands for Typer from functions whose parameters may be dataclasses of options."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_args, get_type_hints


def make_command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command for Typer from a function with parameters that are dataclasses of options.

    Typer makes an option of each parameter in a function's signature. The returned command has the fields of
    each dataclass in its signature instead of the dataclass, and makes the dataclasses when it is called. The
    help shows them in a group of their own if the dataclass names it: `PANEL: ClassVar[str]`.

    Args:
        function: A function whose options, and the fields of its dataclasses, are annotated for Typer.
    """
    hints = get_type_hints(function, include_extras=True)
    options: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters: list[Parameter] = []
    for name, parameter in signature(function).parameters.items():
        if name in options:
            parameters += _list_parameters(options[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def command(**values: Any) -> None:
        built = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in options.items()
        }
        function(**built, **values)

    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return command


def _list_parameters(kind: type[Any]) -> list[Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=_put_in_panel(hints[field.name], getattr(kind, "PANEL", None)),
        )
        for field in fields(kind)
    ]


def _put_in_panel(hint: Any, panel: str | None) -> Any:
    """The annotation of an option, in a group of the help unless it names one itself."""
    value, option = get_args(hint)
    option = copy(option)
    option.rich_help_panel = option.rich_help_panel or panel
    return Annotated[value, option]
