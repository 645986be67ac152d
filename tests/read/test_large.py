"""What is looked at of one large value takes no memory beside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PEAK = """
import resource, sys
from analysis.read.decode.walk import _WORTH
data = eval(sys.argv[1]) * (16 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_WORTH.match(data)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("octet", [b"A", b"0", b"z", b"=", b"\\", b"&", b"%", b" ", b"-"])
def test_a_look_at_a_long_value_holds_nothing(octet: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", _PEAK, repr(octet)], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 8_000_000
