"""Plans of one model as a page: one file that needs no network, and runs no script but its own.

The page's parts lie in ``page/``: a template, a style sheet, and JavaScript modules. They are
joined here: each module becomes a function that returns what it exports, so that the file opens
from a disk, where browsers refuse to load modules.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from importlib import resources

from initrules import __version__
from initrules.errors import printable
from initrules.planning import PlanData
from initrules.report.page_data import Values, page_data

_ENTRY = "main.js"
_STYLES = ("base.css", "grid.css", "panel.css", "media.css")
_IMPORT = re.compile(r'^import \{ ([^}]*) \} from "\./([a-z]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:function|class|const) ([A-Za-z_]+))", re.MULTILINE)
_SLOT = re.compile(r"\{\{([a-z]+)\}\}")


def plan_page(
    plans: Sequence[PlanData], names: Sequence[str], *, title: str = "plan", values: Sequence[Values | None] = ()
) -> str:
    """The page as text.

    ``names``: the heading of each plan's column; ``values``: for each plan what its parameters hold,
    from which histograms are drawn. Raises ``ValueError`` when the plans are of different models.
    """
    style, script = "".join(map(_part, _STYLES)), _script()
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy, "version": escape(__version__), "title": escape(printable(title)), "style": style,
        "data": _embedded(page_data(plans, names, title=title, values=values)), "script": script,
    }  # fmt: skip
    return _SLOT.sub(lambda slot: parts[slot[1]], _part("page.html"))


def _embedded(data: object) -> str:
    """JSON that cannot end the element it stands in: no ``<``, ``>`` or ``&`` is left as it is."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _digest(text: str) -> str:
    """What the page's policy allows to run or to style: only this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _part(name: str) -> str:
    return resources.files("initrules.report").joinpath("page", name).read_text(encoding="utf-8")


@functools.cache
def _script() -> str:
    """All modules in one script, each after those that it imports."""
    modules: dict[str, str] = {}

    def add(name: str) -> None:
        if name in modules:
            return
        text = _part(name)
        for _, other in _IMPORT.findall(text):
            add(other)
        modules[name] = _as_function(name, text)

    add(_ENTRY)
    return '"use strict";\n' + "".join(modules.values())


def _as_function(name: str, text: str) -> str:
    exported = ", ".join(found[1] for found in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1", _IMPORT.sub(lambda found: f"const {{ {found[1]} }} = {_name(found[2])};\n", text))
    return f"const {_name(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"


def _name(file: str) -> str:
    return f"{file.removesuffix('.js')}_js"
