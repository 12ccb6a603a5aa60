"""Says what is installed and what is missing, without importing any framework."""

from __future__ import annotations

import re
import sys
from importlib import metadata

from bmc.records import record

OLDEST_PYTHON = (3, 11)

# What each backend's generated programs need: any one of the names, and its oldest version.
NEEDS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "torch": (
        (("torch",), "2.10"),
        (("numpy",), "2"),
        (("safetensors",), "0.6"),
        (("matplotlib",), "3.9"),
        (("sklearn", "scikit-learn"), "1.5"),
        (("tqdm",), "4.66"),
    ),
    "keras": (
        (("keras",), "3.13.2"),
        (("tensorflow", "tensorflow-cpu"), "2.20"),
        (("numpy",), "2"),
        (("safetensors",), "0.6"),
        (("matplotlib",), "3.9"),
        (("sklearn", "scikit-learn"), "1.5"),
        (("tqdm",), "4.66"),
    ),
    "onnx": (
        (("onnx",), "1.21"),
        (("onnxruntime",), "1.23"),
        (("numpy",), "2"),
        (("safetensors",), "0.6"),
        (("matplotlib",), "3.9"),
        (("sklearn", "scikit-learn"), "1.5"),
    ),
}


@record
class Finding:
    """One requirement: who needs it, what was found, and whether that will do."""

    part: str
    package: str
    oldest: str
    found: str | None

    @property
    def fine(self) -> bool:
        """Whether it is there and not too old."""
        return self.found is not None and version(self.found) >= version(self.oldest)


def examine() -> list[Finding]:
    """What is installed, for the compiler and for each backend."""
    found = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding("bmc", "python", ".".join(map(str, OLDEST_PYTHON)), found)]
    for part, needs in NEEDS.items():
        for names, oldest in needs:
            present = [(name, installed(name)) for name in names]
            name, release = next((p for p in present if p[1]), present[0])
            findings.append(Finding(part, name, oldest, release))
    return findings


def installed(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, match.group().split("."))) if match else ()


def report(findings: list[Finding]) -> str:
    """The findings as text, each backend with what to install for it."""
    lines: list[str] = []
    for part in dict.fromkeys(finding.part for finding in findings):
        own = [finding for finding in findings if finding.part == part]
        lines.append(f"{part}: {'ready' if all(f.fine for f in own) else 'incomplete'}")
        for finding in own:
            state = finding.found or "not installed"
            too_old = bool(finding.found) and not finding.fine
            note = "" if finding.fine else f" (needs {finding.oldest} or later)"
            lines.append(f"  {finding.package} {state}{', too old' * too_old}{note}")
        if any(not f.fine and f.package != "python" for f in own):
            extra = "" if part == "bmc" else f"[{part}]"
            lines.append(f'  to install: pip install "bmc-lang{extra}"')
    return "\n".join(lines)
