"""The doctor's findings: faults and advice, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["fault", "advice"]
"""A *fault* loses, delays or repeats jobs, or will; *advice* is worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding, and what to do about it; *kind* is for programs."""

    kind: str
    severity: Severity
    text: str
    remedy: str


def fault(kind: str, text: str, remedy: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(kind=kind, severity="fault", text=text, remedy=remedy)


def advice(kind: str, text: str, remedy: str) -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(kind=kind, severity="advice", text=text, remedy=remedy)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The *facts* examined, by name, and the findings, faults first."""

    facts: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether no fault was found."""
        return not any(finding.severity == "fault" for finding in self.findings)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return *findings* with the faults first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: finding.severity != "fault"))
