"""What one question gave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a question was answered."""

    OK = "ok"
    WARNING = "warning"
    """Look at it; the check does not fail."""
    ERROR = "error"
    """It must be put right: the check fails."""
    UNANSWERED = "not known"
    """It could not be found out; the check does not fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    outcome: Outcome
    words: str
    """What was found."""
    advice: str = ""
    """What to do; empty where there is nothing to do."""

    @property
    def fine(self) -> bool:
        """Whether there is nothing to look at."""
        return self.outcome is Outcome.OK

    def document(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "subject": self.subject, "fine": self.fine, "outcome": self.outcome.value, "words": self.words,
            "advice": self.advice,
        }  # fmt: skip


def ok(subject: str, words: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Outcome.OK, words)


def warning(subject: str, words: str, advice: str = "") -> Finding:
    """Something to look at."""
    return Finding(subject, Outcome.WARNING, words, advice)


def error(subject: str, words: str, advice: str = "") -> Finding:
    """Something to put right."""
    return Finding(subject, Outcome.ERROR, words, advice)


def unanswered(subject: str, words: str, advice: str = "") -> Finding:
    """Something that could not be found out."""
    return Finding(subject, Outcome.UNANSWERED, words, advice)
