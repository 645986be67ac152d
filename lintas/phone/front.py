"""Which app is in front, of what ``dumpsys activity activities`` prints.

Android 8 and 9 write ``mResumedActivity`` for each stack; 10 and later also ``ResumedActivity`` for all of them
(``ActivityTaskSupervisor``), 12 and later ``topResumedActivity`` for each task. A record is
``ActivityRecord{HASH uUSER PACKAGE/ACTIVITY tTASK}``. While the screen is off or locked nothing is resumed.
"""

from __future__ import annotations

import re

LINES = "ResumedActivity"
"""What the lines that matter hold."""
_RECORD = r"ActivityRecord\{\S+ u\d+ (?P<app>[A-Za-z][\w.]*)/"
_FORMS = (
    re.compile(r"^\s*ResumedActivity: ?" + _RECORD),
    re.compile(r"^\s*topResumedActivity=" + _RECORD),
    re.compile(r"^\s*mResumedActivity: ?" + _RECORD),
)


def parse(lines: list[str]) -> str | None:
    """The package in front; None where none is."""
    for form in _FORMS:
        for line in lines:
            if m := form.match(line):
                return m["app"]
    return None
