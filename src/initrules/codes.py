"""The codes of findings that a rule may silence with a reason, ``allow: {CODE: REASON}``.

Errors are not among them: what stops ``apply`` is put right, not silenced. ``docs/findings.md`` explains each.
"""

from __future__ import annotations

SILENCEABLE = frozenset(
    {
        # about the rule
        "alias-disagreement", "contested", "dead-default", "loads-nothing", "no-effect", "overridden-rule",
        "shadowed-variable", "spelling", "unmet-key", "unmet-pattern", "unused-fallback",
        # about the values it gives
        "dead-layer", "empty-cut", "exploding", "ignored-size", "ignored-value", "loud-logits", "other-function",
        "saturated", "state-dict-keys", "vanishing", "zero-layer", "zero-norm",
    }
)  # fmt: skip
