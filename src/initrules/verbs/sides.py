"""Several plans side by side on the screen and as data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from initrules.verbs import pages
from initrules.verbs.showing import screen, text_width

if TYPE_CHECKING:
    from initrules.planning import PlanData


def show(
    names: Sequence[str], plans: Sequence[PlanData], form: str, output: str | None, *, only_differences: bool,
    fail_on: str,
) -> None:  # fmt: skip
    """One column for each rule set; for programs that annotate files the findings of all."""
    from initrules.report import environments  # noqa: PLC0415

    if form == "table" and output is None:
        screen(
            lambda width: environments.text(names, plans, only_differences=only_differences, width=width),
            lambda _: environments.view(names, plans, only_differences=only_differences),
        )
    else:
        pages.write(_text(names, plans, form, only_differences=only_differences, fail_on=fail_on), output)


def _text(
    names: Sequence[str], plans: Sequence[PlanData], form: str, *, only_differences: bool, fail_on: str
) -> str:  # fmt: skip
    from initrules.report import environments  # noqa: PLC0415
    from initrules.report.findings import as_format  # noqa: PLC0415

    match form:
        case "table":
            return environments.text(names, plans, only_differences=only_differences, width=text_width())
        case "json":
            return json.dumps(environments.as_json(names, plans, only_differences=only_differences), indent=1)
        case "md":
            return environments.markdown(names, plans, only_differences=only_differences)
        case _:
            findings = list(dict.fromkeys(finding for plan in plans for finding in plan.findings))
            files = list(dict.fromkeys(file for plan in plans for file in plan.rules.files))
            return as_format(form, findings, files, fail_on=fail_on, summary="")
