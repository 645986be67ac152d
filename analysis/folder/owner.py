"""Files that hold personal values in clear: nobody but their owner may read them."""

from __future__ import annotations

from pathlib import Path

FILE, FOLDER = 0o600, 0o700


def close_to_others(place: Path) -> None:
    """Take every right from group and others: at ``place``, and at all that lies in it where it is a folder. Links are
    left alone. Raises OSError."""
    if place.is_symlink():
        return
    if place.is_dir():
        place.chmod(FOLDER)
        for inner in place.iterdir():
            close_to_others(inner)
    elif place.is_file():
        place.chmod(FILE)


def begin_closed(place: Path) -> None:
    """See that what is about to be written to ``place`` is never readable to others, not even while it is written. A
    device or pipe is left as it is. Raises OSError."""
    if not place.exists():
        place.touch(FILE)
    close_to_others(place.resolve())
