"""Read: one message in, its fields and transmissions out. Pure: it knows no other message, no clock, no screen.

``decode`` undoes codings and finds leaves; ``detect`` says which of them are personal data, on which ground.
"""

from analysis.read.decode.walk import Limits
from analysis.read.detector import Detector, Spec

__all__ = ["Detector", "Limits", "Spec"]
