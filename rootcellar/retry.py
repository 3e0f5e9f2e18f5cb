"""Which errors are worth another try, when, and how often."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rootcellar.causes import Cause, classify

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_RULES", "NEVER", "Cause", "Decision", "RetryPolicy", "Rule", "classify"]

_LONGEST_MESSAGE = 200
_USER_IN_URL = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY_IN_URL = re.compile(r"(://[^\s?'\"]+)\?[^\s'\"]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How often and how patiently errors of one cause are tried again.

    The wait before retry n (from 0) is at most `base_seconds * factor ** n`, never more than
    `ceiling_seconds`, and shortened by a random share of at most `jitter`, so that a fleet that
    failed at once does not come back at once.

    Raises:
        ValueError: A number is negative, `factor` below 1 or `jitter` above 1.
    """

    max_retries: int
    base_seconds: float = 1.0
    factor: float = 2.0
    ceiling_seconds: float = 600.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if min(self.max_retries, self.base_seconds, self.ceiling_seconds) < 0:
            msg = f"retries and seconds are never negative: {self}"
            raise ValueError(msg)
        if self.factor < 1 or not 0 <= self.jitter <= 1:
            msg = f"factor is at least 1, and jitter from 0 to 1: {self}"
            raise ValueError(msg)

    def longest_seconds(self, retries: int) -> float:
        """Return the longest wait after that many retries. Never falls as they grow."""
        try:
            grown = self.base_seconds * self.factor**retries
        except OverflowError:
            grown = self.ceiling_seconds
        return min(grown, self.ceiling_seconds)

    def delay_seconds(self, retries: int, source: random.Random) -> float:
        """Return the wait after that many retries: the longest, less the jitter."""
        return self.longest_seconds(retries) * (1 - self.jitter * source.random())


NEVER = Rule(max_retries=0)
"""A rule that allows no retry."""

DEFAULT_RULES: Mapping[Cause, Rule] = {
    Cause.NETWORK: Rule(max_retries=5, base_seconds=2.0, ceiling_seconds=300.0),
    Cause.THROTTLING: Rule(max_retries=8, base_seconds=5.0, jitter=0.8),
    Cause.STORE: Rule(max_retries=5, base_seconds=5.0),
    Cause.CATALOG: Rule(max_retries=5, base_seconds=2.0, ceiling_seconds=120.0),
    Cause.CACHE: Rule(max_retries=5, base_seconds=5.0),
    # Leases end and other workers have other disks; soon again is useless.
    Cause.DISK_FULL: Rule(max_retries=3, base_seconds=60.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is done about one error.

    Attributes:
        delay_seconds: Until the next try; 0 without one.
        exhausted: The cause is worth another try, but there have been enough.
        reason: All of this as a sentence without a subject.
    """

    retry: bool
    delay_seconds: float
    cause: Cause
    exhausted: bool
    reason: str

    def sentence(self, task: str, task_id: str) -> str:
        """Return one line for the log: `simulate[7f…] network error (…): try 2 of 4 in 3.1 s`."""
        return f"{task}[{task_id}] {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Rules by cause, for an app or a task.

    Args:
        rules: A cause that is not named is not retried.
        extra: Causes of exceptions of your own; the nearest base class counts.
    """

    rules: Mapping[Cause, Rule] = field(default_factory=lambda: dict(DEFAULT_RULES))
    extra: Mapping[type[BaseException], Cause] = field(default_factory=dict)

    @classmethod
    def off(cls) -> Self:
        """Return a policy that retries nothing."""
        return cls(rules={})

    def with_(
        self,
        rules: Mapping[Cause, Rule] | None = None,
        extra: Mapping[type[BaseException], Cause] | None = None,
    ) -> Self:
        """Return this policy with some rules and causes replaced or added.

        `NEVER` as a rule switches a cause off.
        """
        return type(self)(
            rules={**self.rules, **(rules or {})}, extra={**self.extra, **(extra or {})}
        )

    def decide(
        self, error: BaseException, retries: int, source: random.Random | None = None
    ) -> Decision:
        """Decide about an error.

        Args:
            error: As the task raised it, with what it was raised from.
            retries: How many retries there have been, whatever their causes; 0 in the first run.
            source: Of the jitter; the same state gives the same decision.
        """
        cause = classify(error, self.extra)
        rule = self.rules.get(cause, NEVER)
        retry = retries < rule.max_retries
        exhausted = not retry and rule.max_retries > 0
        delay = rule.delay_seconds(retries, source or random.Random()) if retry else 0.0  # noqa: S311  jitter
        if retry:
            outcome = f"try {retries + 2} of {rule.max_retries + 1} in {delay:.1f} s"
        elif exhausted:
            outcome = f"retries exhausted after {retries + 1} tries"
        else:
            outcome = "not retried"
        reason = f"{cause} error ({_in_one_line(error)}): {outcome}"
        return Decision(
            retry=retry, delay_seconds=delay, cause=cause, exhausted=exhausted, reason=reason
        )


def _in_one_line(error: BaseException) -> str:
    """Return class and message, without line breaks, file names of this host or secrets in URLs."""
    if isinstance(error, OSError) and error.filename is not None:
        message = str(error.strerror)
    else:
        message = str(error)
    message = _QUERY_IN_URL.sub(r"\1", _USER_IN_URL.sub("", " ".join(message.split())))
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}…"
    name = type(error).__name__
    return f"{name}: {message}" if message else name
