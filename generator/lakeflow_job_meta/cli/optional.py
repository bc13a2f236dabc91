"""Options that count as not given when they are empty, as parameters of Databricks jobs often are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])


def optional_text(*names: str, **settings: object) -> Callable[[_Command], _Command]:
    """Returns an option whose value is a text, or None where it is empty."""
    return click.option(*names, type=str, callback=_text_or_none, **settings)  # type: ignore[arg-type]


def optional_number(*names: str, **settings: object) -> Callable[[_Command], _Command]:
    """Returns an option whose value is a whole number from 1, or None where it is empty."""
    return click.option(*names, type=str, metavar="N", callback=_number_or_none, **settings)  # type: ignore[arg-type]


def _text_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return (value or "").strip() or None


def _number_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    text = _text_or_none(ctx, param, value)
    return None if text is None else int(click.IntRange(1)(text, param, ctx))
