"""What detectors hand to one another: what was found at which leaf."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.model import Certainty, Method
from analysis.read.decode.leaves import Layer, Leaf, text_of


@dataclass(slots=True)
class Found:
    """One data type at one leaf, or at bytes of a layer that no leaf covers."""

    layer: Layer
    number: int | None
    """The leaf's number in its layer; None: raw bytes."""
    start: int
    end: int
    """What was found, in the layer's bytes."""
    data_type: str
    method: Method
    certainty: Certainty
    same: str | None = None
    """The value in the one form; None: made of the leaf's text."""
    whole: bool = True
    """It is the whole leaf."""
    via: tuple[str, ...] = ()
    """What would have to be undone beyond the leaf: encodings and digests of the needle."""
    endpoint: str | None = None
    position: object = None
    """Latitude and longitude of one place share this."""
    also: tuple[Method, ...] = ()

    @property
    def leaf(self) -> Leaf | None:
        return None if self.number is None else self.layer.leaves[self.number]

    def __repr__(self) -> str:
        return f"Found({self.data_type}, {self.method}, {self.certainty})"


def value_of(layer: Layer, leaf: Leaf) -> str:
    """The text of a leaf."""
    return text_of(layer.data[leaf[2] : leaf[3]])
