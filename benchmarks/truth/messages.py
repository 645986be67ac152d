"""Messages from templates: labels that a person wrote, values and spellings that a seed gives.

README.md says what the templates look like."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from benchmarks.truth.values import NOON, Draw, fill, words

HERE = Path(__file__).parent
SEED = 19
COPIES = 2
"""Messages that each template gives under one seed."""
METHODS = ("get", "post", "put", "patch", "delete")
PARTS = ("headers", "query", "cookies", "json", "form", "text", "answer")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_SPELLINGS = ("snake", "snake", "snake", "camel", "camel", "camel", "joined", "kebab")
_AGENTS = (
    "okhttp/4.12.0",
    "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240205.004)",
    "Toko/5.2 CFNetwork/1494.0.7 Darwin/23.4.0",
    "Dart/3.3 (dart:io)",
)


@dataclass(frozen=True, slots=True)
class Message:
    """One exchange and what is true of it.

    ``never``: types that it must not be accused of; ``any`` for every personal type but those in ``truly``.
    ``value_at``: ends of the paths that ``never`` speaks of, where something else in the message is truly personal.
    ``right``: the type that its value really is (guilty messages only); ``near``: types that come close."""

    id: str
    kind: str
    country: str
    places: tuple[str, ...]
    entry: dict[str, Any]
    never: frozenset[str] = frozenset()
    truly: frozenset[str] = frozenset()
    whose: str = "app"
    value_at: tuple[str, ...] = ()
    right: str | None = None
    near: frozenset[str] = field(default=frozenset())

    @property
    def is_answer(self) -> bool:
        """What tempts stands in the answer, not in the request."""
        return "answer" in self.places


@cache
def _file(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def load(name: str) -> list[dict[str, Any]]:
    """The kinds of a list: ``innocents`` or ``guilty``, or those of another set (``held_out/innocents``)."""
    kinds: list[dict[str, Any]] = _file(name)["kinds"]
    return kinds


def spell(key: str, how: str) -> str:
    """A key of several words in another spelling; any other key stays."""
    if how == "snake" or not _SNAKE.fullmatch(key):
        return key
    first, *rest = key.split("_")
    if how in ("camel", "pascal"):
        return (first.capitalize() if how == "pascal" else first) + "".join(w.capitalize() for w in rest)
    if how == "upper":
        return key.upper()
    return {"kebab": "-", "dotted": ".", "joined": ""}[how].join([first, *rest])


def filled(value: Any, draw: Draw, how: str) -> Any:
    """A template's value with all keys spelled and all texts filled."""
    if isinstance(value, Mapping):
        return {spell(draw.random.choice(str(k).split("|")), how): filled(v, draw, how) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, draw, how) for v in value]
    return fill(value, draw) if isinstance(value, str) else value


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (k, v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, separators=(",", ":")))
        for k, v in values.items()
    ]


def _pairs(values: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": k, "value": v} for k, v in values]


def _entry(
    template: Mapping[str, Any], draw: Draw, number: int, spellings: Sequence[str], agents: Sequence[str]
) -> dict[str, Any]:
    method = next(m for m in METHODS if m in template)
    fixed = template.get("fixed", False)
    how = "snake" if fixed else draw.random.choice(spellings)
    url = re.sub(r"[^\x21-\x7e]", lambda m: quote(m[0]), fill(template[method], draw))
    query = _flat(filled(template.get("query", {}), draw, how))
    if query:
        url += ("&" if "?" in url else "?") + urlencode(query, quote_via=quote)
    headers = [
        ("Host", url.split("/")[2]),
        ("User-Agent", fill(template.get("agent", draw.random.choice(agents)), draw)),
    ]
    headers.append(("Accept-Language", words()[draw.country]["language"]))
    headers += _flat(filled(template.get("headers", {}), draw, "snake"))
    cookies = _flat(filled(template.get("cookies", {}), draw, how))
    if cookies:
        headers.append(("Cookie", "; ".join(f"{k}={quote(v, safe='/:.-_=+')}" for k, v in cookies)))
    request: dict[str, Any] = {"method": method.upper(), "url": url, "httpVersion": "HTTP/1.1"}
    body = kind = None
    if "json" in template:
        body, kind = json.dumps(filled(template["json"], draw, how), ensure_ascii=False), "application/json"
    elif "form" in template:
        body = urlencode(_flat(filled(template["form"], draw, how)))
        kind = "application/x-www-form-urlencoded"
    elif "text" in template:
        body, kind = str(fill(template["text"], draw)), template.get("type", "text/plain")
    size = len(body.encode()) if body is not None else 0
    if body is not None:
        headers += [("Content-Type", kind), ("Content-Length", str(size))]
        request["postData"] = {"mimeType": kind, "text": body}
    parts = url.split("?", 1)
    request |= {
        "headers": _pairs(headers),
        "cookies": _pairs(cookies),
        "queryString": _pairs([tuple(p.split("=", 1)) for p in parts[1].split("&") if "=" in p]) if parts[1:] else [],  # type: ignore[misc]
        "headersSize": -1,
        "bodySize": size,
    }
    answer = json.dumps(filled(template.get("answer", {"ok": True}), draw, how), ensure_ascii=False)
    begun = NOON.timestamp() + number
    return {
        "startedDateTime": NOON.fromtimestamp(begun, NOON.tzinfo).isoformat().replace("+00:00", "Z"),
        "time": 40,
        "request": request,
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "headers": _pairs([("Content-Type", "application/json"), ("Content-Length", str(len(answer.encode())))]),
            "cookies": [],
            "content": {"size": len(answer.encode()), "mimeType": "application/json", "text": answer},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(answer.encode()),
        },
        "cache": {},
        "timings": {"send": 1, "wait": 38, "receive": 1},
        "serverIPAddress": f"198.51.100.{number % 250 + 1}",
        "connection": str(number + 1),
    }


def _places(template: Mapping[str, Any]) -> tuple[str, ...]:
    there = [p for p in PARTS if p in template]
    return tuple(there) or ("path",)


def messages(name: str, seed: int = SEED) -> Iterator[Message]:
    """The messages of a list in order. One seed gives the same messages always; another gives siblings: other values,
    hosts, spellings and choices of the same templates, under the same labels."""
    number = 0
    spellings, agents = _file(name).get("spellings", _SPELLINGS), _file(name).get("agents", _AGENTS)
    for kind in load(name):
        for place, template in enumerate(kind["messages"]):
            labels = {**{k: v for k, v in kind.items() if k != "messages"}, **template}
            for copy in range(COPIES):
                key = f"{kind['kind']}/{place + 1}.{copy + 1}"
                draw = Draw(random.Random(f"{seed} {key}"), labels["at"])
                yield Message(
                    id=key,
                    kind=kind["kind"],
                    country=labels["at"],
                    places=_places(template),
                    entry=_entry(template, draw, number, spellings, agents),
                    never=frozenset(labels.get("never", ())),
                    truly=frozenset(labels.get("truly", ())),
                    whose=labels.get("whose", "app"),
                    value_at=tuple(labels.get("value_at", ())),
                    right=labels.get("right"),
                    near=frozenset(labels.get("near", ())),
                )
                number += 1


def har(entries: list[Message]) -> str:
    """The messages as one HAR 1.2 file, an entry each, in their order."""
    log = {
        "version": "1.2",
        "creator": {"name": "benchmarks.truth", "version": "1"},
        "entries": [m.entry for m in entries],
    }
    return json.dumps({"log": log}, ensure_ascii=False)
