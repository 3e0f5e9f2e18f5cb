"""Retry policies: what is tried again, when, how often, and what is said about it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.retry import NEVER, Cause, RetryPolicy, Rule
from rootcellar.schemas import errors as own

rules = st.builds(
    Rule,
    max_retries=st.integers(0, 50),
    base_seconds=st.floats(0, 1e6),
    factor=st.floats(1, 1e3),
    ceiling_seconds=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)
retries = st.integers(0, 10_000)
STEADY = RetryPolicy(rules={Cause.NETWORK: Rule(max_retries=3, base_seconds=2, jitter=0)})


@given(rules, retries, st.integers())
def test_delays_are_bounded(rule, retries, seed):
    """No wait is longer than the ceiling, nor shorter than the jitter allows."""
    longest = rule.longest_seconds(retries)
    delay = rule.delay_seconds(retries, random.Random(seed))

    assert longest <= rule.ceiling_seconds
    assert longest * (1 - rule.jitter) * (1 - 1e-9) <= delay <= longest


@given(rules, retries)
def test_waits_grow(rule, retries):
    """The longest wait never falls from one retry to the next."""
    assert rule.longest_seconds(retries) <= rule.longest_seconds(retries + 1)


@given(retries, st.integers())
def test_same_seed_same_decision(retries, seed):
    """A decision depends on nothing but the error, the retries and the random source."""
    policy, error = RetryPolicy(), ConnectionResetError("reset")

    assert policy.decide(error, retries, random.Random(seed)) == policy.decide(
        error, retries, random.Random(seed)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"base_seconds": -1},
        {"ceiling_seconds": -1},
        {"factor": 0.5},
        {"jitter": 1.5},
        {"jitter": -0.1},
    ],
)
def test_impossible_rules(wrong):
    """A rule that cannot be followed is refused when it is made."""
    with pytest.raises(ValueError, match=r"never negative|at least 1"):
        Rule(**{"max_retries": 1, **wrong})


@pytest.mark.parametrize("name", own.__all__)
def test_every_error_of_ours_is_decided(name):
    """By default an error of ours is tried again if, and only if, it is transient."""
    error = getattr(own, name)("it failed")

    assert RetryPolicy().decide(error, 0).retry is error.transient


def test_retries_run_out():
    """After the last retry the decision is no, and says that it was the last."""
    decisions = [STEADY.decide(ConnectionError("gone"), n) for n in range(5)]

    assert [decision.retry for decision in decisions] == [True, True, True, False, False]
    assert [decision.exhausted for decision in decisions] == [False] * 3 + [True] * 2
    assert [decision.delay_seconds for decision in decisions] == [2, 4, 8, 0, 0]


@pytest.mark.parametrize(
    ("error", "retries", "sentence"),
    [
        (
            ConnectionResetError("reset by peer"),
            0,
            "simulate[7f] network error (ConnectionResetError: reset by peer): try 2 of 4 in 2.0 s",
        ),
        (
            ZeroDivisionError("division by zero"),
            0,
            "simulate[7f] deterministic error (ZeroDivisionError: division by zero): not retried",
        ),
        (
            ConnectionResetError(),
            3,
            "simulate[7f] network error (ConnectionResetError): retries exhausted after 4 tries",
        ),
    ],
)
def test_sentences(error, retries, sentence):
    """Each decision reads as one plain line."""
    assert STEADY.decide(error, retries).sentence("simulate", "7f") == sentence


@pytest.mark.parametrize(
    ("error", "hidden"),
    [
        (FileNotFoundError(2, "No such file", "/home/someone/x"), "/home"),
        (RuntimeError("GET https://key:secret@host/x"), "secret"),
        (RuntimeError("GET https://host/x?X-Amz-Signature=secret failed"), "secret"),
        (RuntimeError("one\ntwo"), "\n"),
        (RuntimeError("x" * 1000), "x" * 300),
    ],
)
def test_what_a_sentence_leaves_out(error, hidden):
    """A sentence is one short line without host paths or secrets in URLs."""
    assert hidden not in RetryPolicy().decide(error, 0).reason


def test_merging():
    """What a task says about a cause replaces what the app says, and nothing else."""
    patient = Rule(max_retries=9)
    app = RetryPolicy().with_({Cause.UNKNOWN: patient}, extra={KeyError: Cause.NETWORK})
    task = app.with_({Cause.NETWORK: NEVER}, extra={IndexError: Cause.UNKNOWN})

    assert app.decide(KeyError(), 0).retry
    assert not task.decide(KeyError(), 0).retry
    assert task.decide(IndexError(), 8).retry
    assert task.decide(own.StoreUnavailable("x"), 0).retry
    assert RetryPolicy() == RetryPolicy().with_()


@pytest.mark.parametrize("error", [ConnectionError(), own.CatalogUnavailable("x"), MemoryError()])
def test_off(error):
    """A policy that is off retries nothing and calls nothing exhausted."""
    decision = RetryPolicy.off().decide(error, 0)

    assert (decision.retry, decision.exhausted) == (False, False)
