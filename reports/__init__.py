"""An audit folder -> one self-contained HTML report, with the same numbers as JSON and its lists as CSV beside it.

Reads tables, never captures.
"""

from __future__ import annotations

from pathlib import Path

PAGE = "report.html"
"""Name of the page in an audit folder."""


def build(audit_folder: Path, out: Path | None = None, language: str = "en") -> Path:
    """Write the report of an audit and return the page's path: ``out``, else ``PAGE`` in the audit folder.

    ``report.json`` and ``csv/*.csv`` always go into the audit folder. The same audit gives the same bytes. Raises
    InputError when the folder is no audit, the language has no catalogue, or a file cannot be written."""
    from reports.page import write

    return write(Path(audit_folder), out, language)
