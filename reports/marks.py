"""The marks: circles are places, squares are companies and laws, diamonds are data; the fill says how sure.

Each is drawn once as a symbol and used by reference; its words stand beside it for those who do not see it.
"""

from __future__ import annotations

from markupsafe import Markup

from reports.svg import join, tag

GRADES = ("4", "3", "2", "node", "1", "0")
"""How sure a place is: the level, and apart from those that two sources place what only its own word does."""
PLACES = (*GRADES, "refuted")
SQUARES = ("documented", "memory", "unknown")
DIAMONDS = ("planted", "endpoint", "key", "weak")


def _circle(radius: float, class_: str) -> Markup:
    return tag("circle", cx=7, cy=7, r=radius, class_=class_)


def _symbol(name: str, *drawn: Markup) -> Markup:
    return tag("symbol", *drawn, id=name, viewBox="0 0 14 14")


_DIAMOND = "M7 .9 13.1 7 7 13.1.9 7z"


def definitions() -> Markup:
    """All symbols and hatches, for one hidden picture at the head of the page."""
    symbols = [
        _symbol("p4", _circle(6.0, "line"), _circle(3.6, "full")),
        _symbol("p3", _circle(5.0, "full")),
        _symbol("p2", _circle(4.6, "line"), tag("path", d="M7 2.4a4.6 4.6 0 0 0 0 9.2z", class_="full")),
        _symbol("pnode", _circle(4.6, "line"), _circle(1.8, "full")),
        _symbol("p1", _circle(4.6, "line")),
        _symbol("p0", _circle(4.6, "line dash")),
        _symbol("prefuted", _circle(5.0, "line rust"), tag("path", d="M3.5 10.5 10.5 3.5", class_="line rust")),
        _symbol("sdocumented", tag("rect", x=2.5, y=2.5, width=9, height=9, class_="ink")),
        _symbol("smemory", tag("rect", x=3, y=3, width=8, height=8, class_="inkline")),
        _symbol("sunknown", tag("rect", x=3, y=3, width=8, height=8, class_="inkline dash")),
        _symbol("dplanted", tag("path", d=_DIAMOND, class_="ink")),
        _symbol(
            "dendpoint", tag("path", d=_DIAMOND, class_="inkline"), tag("path", d="M7 .9V13.1L.9 7z", class_="ink")
        ),
        _symbol("dkey", tag("path", d=_DIAMOND, class_="inkline"), tag("path", d="M7 4 10 7 7 10 4 7z", class_="ink")),
        _symbol("dweak", tag("path", d=_DIAMOND, class_="inkline dash")),
    ]
    hatches = [
        _pattern("hnot_understood", 5, tag("path", d="M1.2 0V5", class_="h2")),
        _pattern("hsealed", 6, tag("path", d="M0 1.5H6M1.5 0V6", class_="h2")),
        _pattern("hcut", 7, tag("path", d="M0 3.5H4", class_="h2")),
        _pattern("hpart", 5, tag("path", d="M0 1.2H5", class_="hb")),
        _pattern("hrefused", 6, tag("path", d="M-1 7 7-1M-1 1 1-1M5 7 7 5", class_="h2")),
        _pattern("hencrypted", 7, tag("path", d="M0 7 7 0M0 0 7 7", class_="h2")),
        _pattern("hnon_http", 4, tag("rect", x=1, y=1, width=1.8, height=1.8, class_="hd")),
        _pattern("hsilent", 6, tag("path", d="M3 0V3", class_="h2")),
        _pattern("hparent", 6, tag("path", d="M-1-1 7 7M5-1 7 1M-1 5 1 7", class_="hs")),
        _pattern("howner", 5, tag("circle", cx=2, cy=2, r=1, class_="hsd")),
        _pattern("hclosed", 6, tag("path", d="M-1 7 7-1M-1 1 1-1M5 7 7 5", class_="h2")),
    ]
    return tag("svg", *symbols, tag("defs", join(hatches)), class_="defs", width=0, height=0, aria_hidden="true")


def _pattern(name: str, size: int, drawn: Markup) -> Markup:
    return tag("pattern", drawn, id=name, width=size, height=size, patternUnits="userSpaceOnUse")


def mark(name: str) -> Markup:
    """A mark for running text, hidden from readers of the words beside it."""
    return tag("svg", tag("use", href=f"#{name}"), class_="mk", width=14, height=14, aria_hidden="true")


def at(name: str, x: float, y: float, size: float = 14) -> Markup:
    """A mark within a picture, centred on a point."""
    return tag(
        "use", href=f"#{name}", x=float(x - size / 2), y=float(y - size / 2), width=float(size), height=float(size)
    )


def place(grade: str) -> str:
    """Symbol for one of ``GRADES``."""
    return f"p{grade}"


def diamond(method: str, firm: bool) -> Markup:
    """How a type of data is known. A weak sign is hollow, whatever it rests on."""
    return mark(f"d{method}" if firm and method in DIAMONDS else "dweak")


def square(confidence: str | None) -> str:
    """Symbol for how a company or a law is known."""
    return {"verified": "sdocumented", "recalled": "smemory"}.get(confidence or "", "sunknown")


def swatch(hatch: str) -> Markup:
    """A small field of a hatch, for a legend."""
    fill = "seen" if hatch == "understood" else f"f-{hatch}"
    return tag(
        "svg",
        tag("rect", x=0.5, y=0.5, width=29, height=11, class_=f"{fill} edge"),
        class_="sw",
        width=30,
        height=12,
        aria_hidden="true",
    )
