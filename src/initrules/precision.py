"""What a dtype can hold, by its name and without torch."""

from __future__ import annotations

_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
    "float8_e4m3fn": 448.0,
    "float8_e5m2": 57344.0,
    "complex64": 3.4028234663852886e38,
    "complex128": 1.7976931348623157e308,
}


def integer_limits(dtype: str) -> tuple[int, int] | None:
    """The least and the largest value of an integer or boolean dtype, None for others."""
    if dtype == "bool":
        return 0, 1
    if dtype in _BITS:
        return -(2 ** (_BITS[dtype] - 1)), 2 ** (_BITS[dtype] - 1) - 1
    if dtype.startswith("uint"):
        return 0, 2 ** int(dtype.removeprefix("uint")) - 1
    return None


def largest(dtype: str) -> float | None:
    """The largest finite value of a floating dtype, None when it is not known."""
    return _LARGEST.get(dtype)


def is_floating(dtype: str) -> bool:
    """Whether entries of this dtype can be drawn."""
    return dtype.startswith(("float", "bfloat", "complex"))
