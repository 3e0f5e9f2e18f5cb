"""Functions whose text the tests of `code` change, to see whether the digest tells."""

import functools

LIMIT = 3
UNITS = {"kw": ("power", 1000), "all": frozenset({"a", "b"})}
FACTORS = [1, 2]


def helper(value):
    return value + 1


class Model:
    """A model."""

    def run(self, value):
        return helper(value)


def body(value):
    """Say something."""
    # A comment.
    return helper(value) * LIMIT


def uses_class(value):
    return Model().run(value)


def uses_list(value):
    return [value * factor for factor in FACTORS]


def uses_dict(value):
    return UNITS[value]


def has_default(value, factor=LIMIT, *, least=LIMIT):
    return value * factor * least


@functools.cache
def cached(value):
    return value + 5


def uses_cached(value):
    return cached(value)


def make(offset):
    def inner(value):
        return value + offset

    return inner


closure = make(offset=7)
