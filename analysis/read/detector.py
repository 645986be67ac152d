"""The detector: built once a process, then one message in, one reading out."""

from __future__ import annotations

import gc
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from analysis import budget, codecs
from analysis.model import (
    Certainty,
    Clue,
    Evidence,
    Loss,
    Message,
    Origin,
    Reading,
    Secret,
    Step,
    Transmission,
    token,
)
from analysis.read import agent
from analysis.read.decode.leaves import Layer, Node, text_of
from analysis.read.decode.walk import Forest, Limits, Walk, Walked
from analysis.read.detect import value as shapes
from analysis.read.detect.checks import NO, STRONG, is_constant
from analysis.read.detect.endpoint import EndpointField, Endpoints, Known
from analysis.read.detect.found import Found, value_of
from analysis.read.detect.key import Keys, Place, degree
from analysis.read.detect.merge import merge
from analysis.read.detect.planted import Hit, Needles
from analysis.read.excerpt import excerpt
from analysis.read.facts import Facts
from analysis.read.mask import Mask

if TYPE_CHECKING:
    from analysis.persona import Persona, Planted
    from analysis.reference import Reference

_LONGEST_VALUE = 4_096
"""Octets of a leaf that a transmission carries as its value; of longer ones it carries what was found in it."""
_EVIDENCE_EACH = 3
"""Excerpts of one data type at one path of a message."""
_HARD = frozenset(
    """imei imsi iccid email mac_address ip_address advertising_id email_hash phone_hash phone_number wifi_bssid
    payment_card national_id_nik""".split()
)
"""Types whose values have one form: a known endpoint's field that holds anything else holds something else."""
_TEXTS = frozenset(
    """browsing_history messages search_query app_interaction crash_data clipboard calendar_files ad_data""".split()
)
"""Types of text in which something of another type may stand: a page's address, a message, a stack trace."""
_MEDIA_TYPES = {"image": "photo_video", "video": "photo_video", "audio": "audio"}


@dataclass(frozen=True, slots=True)
class Spec:
    """What a detector is built from, fit to be handed to a worker process."""

    planted: tuple[Planted, ...]
    facts: Facts
    country: str | None
    limits: Limits


def _within(found: list[Found], most: int) -> list[Found]:
    """At most ``most`` of what a message shows, in its order: what was planted before the rest, and of each type on
    each ground the first one in any case, so that no type is passed over."""
    if len(found) <= most:
        return found
    firsts: dict[tuple[str, str, str], int] = {}
    for number, one in enumerate(found):
        firsts.setdefault((one.data_type, one.method, one.certainty), number)
    kept = set(firsts.values())
    for planted in (True, False):
        for number, one in enumerate(found):
            if len(kept) >= most:
                break
            if (one.method == "planted") is planted:
                kept.add(number)
    return [found[number] for number in sorted(kept)]


class Detector:
    """Reads messages. ``user_country``: ISO 3166 code, for telephone numbers without a country code."""

    def __init__(
        self,
        persona: Persona | None,
        reference: Reference,
        user_country: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        values = persona.values if persona is not None else ()
        self._build(Spec(values, Facts.of(reference), user_country, limits or Limits()))

    @classmethod
    def from_spec(cls, spec: Spec) -> Self:
        """The detector that another process described by :meth:`spec`."""
        made = cls.__new__(cls)
        cls._build(made, spec)
        return made

    def spec(self) -> Spec:
        """What :meth:`from_spec` builds this detector from again."""
        return self._spec

    def _build(self, spec: Spec) -> None:
        self._spec = spec
        self._limits = spec.limits
        self._region = spec.country
        known = frozenset(t[0] for t in spec.facts.types)
        self._known_types = known
        self._needles = Needles(spec.planted, known, spec.country)
        self.mask = Mask(spec.planted, self._needles, spec.country)
        self._endpoints = Endpoints(spec.facts.endpoints)
        self._keys = Keys(spec.facts.types, spec.facts.country_codes, spec.facts.country_names, spec.country)
        self._default_checks = dict(_default_checks(spec.facts))
        self._forest = Forest()
        self._clean: set[Node] = set()
        self._canonical = lru_cache(8_192)(codecs.canonical)
        self._messages = 0
        # A planted coordinate begins with its whole degrees: what does not is not compared.
        starts = {p.partition(".")[0] for p in (*self._needles.latitudes, *self._needles.longitudes)}
        signs = "|".join(re.escape(s.lstrip("+")) for s in sorted(starts))
        self._degrees = re.compile(rb"\+?(?:" + signs.encode() + rb")\d{0,10}(?:\.\d|\Z)") if signs else None

    # ---------------------------------------------------------------------------------------------- reading

    def read(self, message: Message) -> Reading:
        """What stands in one message. Pure: the same message gives the same reading."""
        collecting = gc.isenabled()
        # A large message is a hundred thousand tuples and no cycle: looking for some costs a fifth of the time.
        gc.disable()
        try:
            return self._read(message)
        finally:
            if collecting:
                gc.enable()

    def _read(self, message: Message) -> Reading:
        walked = Walk(message, self._forest, self._limits).run()
        every = self._detect(message, walked)
        found = _within(every, max(budget.for_values(message) - walked.work, 0) // budget.VALUE)
        reading = Reading(message.key, walked.state, walked.not_understood, walked.cause)
        reading.work = walked.work + budget.VALUE * len(found)
        reading.short = walked.short or len(found) < len(every)
        source = message.key.source
        if len(found) < len(every):
            where = "personal values of types and grounds that other values of the same message show"
            reading.losses.append(Loss(source, "transmissions_limited", len(every) - len(found), 0, where))
        for kind, octets, where in walked.losses:
            reading.losses.append(Loss(source, kind, 1, octets, self.mask.text(where)[:80]))
        self._transmissions(message, found, reading)
        if message.kind == "response":
            self._clues(message, reading)
        elif message.kind == "request":
            self._agent(message, reading)
            self._hide_target(message, every, reading)
        self._evidence(message, found, reading)
        self._messages += 1
        if self._messages % 64 == 0 or len(message.body) > 1 << 20:
            self._forest.prune()
            if len(self._clean) > 20_000:
                self._clean.clear()
        return reading

    def _detect(self, message: Message, walked: Walked) -> list[Found]:
        out: list[Found] = []
        moved: dict[int, set[int]] = {}
        for layer_id, number in walked.moved:
            moved.setdefault(layer_id, set()).add(number)
        nothing: set[int] = set()
        place = Place(message.host, message.target)
        sent = message.direction != "received"
        endpoints = self._endpoints.of(message.host, message.target or "/")
        for layer in walked.layers:
            skip = moved.get(id(layer), nothing)
            if sent:
                silent = self._keys.find(layer, skip, place, out)
                texts = [f.number for f in out if f.layer is layer and f.number is not None and f.data_type in _TEXTS]
                shapes.find(layer, silent, self._keys, "pay" in place.about, out)
                shapes.find_within(layer, texts, self._keys, out)
                if layer.media is not None:
                    self._media(layer, out)
            elif message.kind == "response":
                self._keys.answered(layer, skip, place, out)
            if endpoints:
                self._known(layer, skip, endpoints, out)
        if self._needles:
            self._planted(walked, moved, out)
        if self._needles:
            self._places(walked, moved, out)
        return merge(out, walked.layers, self._known_types)

    # ------------------------------------------------------------------------------------------- endpoints

    def _known(self, layer: Layer, skip: set[int], known: Known, out: list[Found]) -> None:
        for number, (node, index, start, end, _) in enumerate(layer.leaves):
            if number in skip:
                continue
            field = known.field(node, index)
            if field is None:
                continue
            value = value_of(layer, layer.leaves[number])
            made = self._field(layer, number, start, end, field, value)
            if made is not None:
                out.append(made)
        for node, index, _, _, first, last in layer.containers:
            if node.is_element or first == last:
                continue
            field = known.field(node, index)
            if field is None:
                continue
            at = next((n for n in range(first, last) if not is_constant(value_of(layer, layer.leaves[n]))), None)
            if at is None:
                continue
            certainty: Certainty = "medium" if field.verified else "low"
            _, _, start, end, _ = layer.leaves[at]
            out.append(Found(layer, at, start, end, field.data_type, "endpoint", certainty, endpoint=field.id))

    def _field(self, layer: Layer, number: int, start: int, end: int, field: EndpointField, value: str) -> Found | None:
        """A known field, unless its value is a constant or cannot be what the field is for."""
        data_type = field.data_type
        if is_constant(value) and data_type not in ("device_profile", "child_flag", "gender"):
            return None
        same = None
        if data_type in ("gps_precise", "location_coarse"):
            same = degree(value) if "," not in value.strip() else None
            strength = STRONG if re.search(r"\d\.\d{3}", value) else NO
            if strength == NO:
                return None
        else:
            strength = self._keys.check(self._default_checks.get(data_type, "any"), value)
        if strength == NO and data_type in _HARD:
            return None
        certainty: Certainty = "low"
        if field.verified:
            certainty = "high" if strength == STRONG else "medium"
        return Found(
            layer,
            number,
            start,
            end,
            data_type,
            "endpoint",
            certainty,
            endpoint=field.id,
            same=same,
        )

    # --------------------------------------------------------------------------------------------- planted

    def _planted(self, walked: Walked, moved: dict[int, set[int]], out: list[Found]) -> None:
        covered: set[tuple[int, int, str]] = set()
        scanned: set[tuple[int, int]] = set()
        bare: list[tuple[Layer, str]] = []
        # From the innermost layer outwards: a value that was decoded further is counted where it stands bare.
        for layer in reversed(walked.layers):
            mark = (id(layer.data), len(layer.data))
            if mark in scanned:
                continue
            scanned.add(mark)
            hits = self._needles.find(layer.data)
            if not hits:
                continue
            starts = _Starts(layer)
            raw: dict[str, int] = {}
            skip = moved.get(id(layer), set())
            for hit in hits:
                number = starts.leaf(hit.start, hit.end)
                if number is None:
                    if hit.via and hit.via[0] in _CHARSETS:
                        # Either order of octets fits the same text, one octet apart; and where the whole layer was
                        # read as such text, the value stands in that.
                        if hit.start < raw.get(hit.value.same, 0) or _read_on(layer, hit.value.same, bare):
                            continue
                        raw[hit.value.same] = hit.end
                    if not hit.weak and not layer.sliced and (hit.stands or hit.end - hit.start >= 8):
                        self._raw_hit(layer, hit, out)
                    continue
                if not hit.stands or number in skip or (id(layer), number, hit.value.same) in covered:
                    continue
                self._leaf_hit(layer, number, hit, out)
                bare.append((layer, hit.value.same))
                owner = layer.owner
                while owner is not None:
                    covered.add((id(owner[0]), owner[1], hit.value.same))
                    owner = owner[0].owner

    def _leaf_hit(self, layer: Layer, number: int, hit: Hit, out: list[Found]) -> None:
        node, _, start, end, _ = layer.leaves[number]
        bare = layer.data[start:end]
        whole = hit.end - hit.start == len(bare.strip(b" \t\r\n\"'=")) and not hit.inside
        if hit.weak and not (whole and hit.value.data_type in self._keys.types(node)):
            return
        out.append(_planted(layer, number, hit, whole))

    def _raw_hit(self, layer: Layer, hit: Hit, out: list[Found]) -> None:
        """A value in bytes that are no leaf: an unknown format, a key, what lies beyond a limit."""
        if hit.value.data_type in ("mac_address", "wifi_bssid") and hit.end - hit.start <= 6:
            return
        out.append(_planted(layer, None, hit, False))

    def _places(self, walked: Walked, moved: dict[int, set[int]], out: list[Found]) -> None:
        """Planted coordinates, by number. A number with three decimals or more counts under a key that fits or beside
        its partner in an array; under any key with five decimals, since prices have fewer; one with one or two only
        beside its partner and under a key. Planted numbers that stand in digits and separators of their own are
        found here too."""
        match = self._degrees.match if self._degrees is not None else None
        grouped = _GROUPED.match
        for layer in walked.layers:
            data, skip = layer.data, moved.get(id(layer), set())
            near: list[tuple[int, str, int, str, bool]] = []
            for number, (node, _, start, end, _) in enumerate(layer.leaves):
                if start == end or end - start > 64 or data[start] not in _NUMERIC or number in skip:
                    continue
                if grouped(data, start, end) is not None:
                    self._grouped(layer, number, out)
                if match is None or match(data, start, end) is None:
                    continue
                value = value_of(layer, layer.leaves[number])
                pair = codecs.coordinate_pair(value)
                swapped = pair is None and re.fullmatch(r"\s*(-?\d+\.\d+)\s*[,; ]\s*(-?\d+\.\d+)\s*", value)
                if swapped:
                    pair = (swapped[2], swapped[1])
                if pair is not None:
                    self._place_pair(layer, number, pair, out)
                    continue
                seen = self._needles.near(value)
                if seen is not None:
                    fits = any(r.check in ("lat", "lon", "pair", "coarse") for r in self._keys.meaning(node).rules)
                    near.append((number, *seen, fits))
            for number, axis, decimals, planted, fits in near:
                node, _, start, end, _ = layer.leaves[number]
                partner = next(
                    (
                        n
                        for n, a, _, _, _ in near
                        if a != axis and layer.leaves[n][0].parent is node.parent and abs(n - number) <= 8
                    ),
                    None,
                )
                scaled = "." not in value_of(layer, layer.leaves[number])
                exact = decimals >= 3
                if scaled and not fits:
                    continue
                in_array = node.is_element and partner is not None
                if exact and not (fits or in_array or decimals >= 5):
                    continue
                if not exact and not (partner is not None and fits):
                    continue
                best = decimals
                if partner is not None:
                    best = max(decimals, next(d for n, _, d, _, _ in near if n == partner))
                data_type = "gps_precise" if best >= 3 else "location_coarse"
                position = (id(layer), min(number, partner)) if partner is not None else None
                out.append(
                    Found(
                        layer,
                        number,
                        start,
                        end,
                        data_type,
                        "planted",
                        "high",
                        same=degree(planted),
                        position=position,
                    )
                )

    def _grouped(self, layer: Layer, number: int, out: list[Found]) -> None:
        value = self._needles.digits(value_of(layer, layer.leaves[number]))
        if value is None or any(f.number == number and f.layer is layer and f.method == "planted" for f in out):
            return
        _, _, start, end, _ = layer.leaves[number]
        out.append(Found(layer, number, start, end, value.data_type, "planted", "high", same=value.same))

    def _place_pair(self, layer: Layer, number: int, pair: tuple[str, str], out: list[Found]) -> None:
        """Both coordinates in one text, in either order."""
        for lat, lon in (pair, pair[::-1]):
            a, b = self._needles.near(lat), self._needles.near(lon)
            if a is None or b is None or (a[0], b[0]) != ("lat", "lon"):
                continue
            data_type = "gps_precise" if max(a[1], b[1]) >= 3 else "location_coarse"
            _, _, start, end, _ = layer.leaves[number]
            same = f"{degree(a[2])},{degree(b[2])}"
            out.append(Found(layer, number, start, end, data_type, "planted", "high", same=same))
            return

    # ----------------------------------------------------------------------------------------------- media

    def _media(self, layer: Layer, out: list[Found]) -> None:
        """A recording that is sent: by its signature; with a key that says the same, by that."""
        from analysis.read.decode.media import is_recording

        family = is_recording(layer.media)
        if family is None or layer.head:
            return
        data_type = _MEDIA_TYPES[family]
        key = data_type in self._keys.types(layer.node)
        made = Found(layer, None, 0, len(layer.data), data_type, "key" if key else "value", "medium" if key else "low")
        made.whole = True
        made.also = ("value",) if key else ()
        out.append(made)

    # ------------------------------------------------------------------------------------------ handing over

    def _transmissions(self, message: Message, found: list[Found], reading: Reading) -> None:
        positions: dict[object, int] = {}
        for one in found:
            value = self._value(one)
            same = one.same if one.same is not None else self._canonical(value, one.data_type, self._region)
            if one.layer.media is not None and one.number is None:
                import hashlib

                value, same = "", hashlib.sha256(one.layer.data).hexdigest()
            position = None
            if one.position is not None:
                position = positions.setdefault(one.position, len(positions))
            reading.transmissions.append(
                Transmission(
                    message=message.key,
                    exchange=message.exchange,
                    flow=message.flow,
                    direction=message.direction,
                    data_type=one.data_type,
                    method=one.method,
                    certainty=one.certainty,
                    path=self._path(one),
                    via=self._via(one),
                    value=Secret(value),
                    same=Secret(same),
                    origin=self._origin(message, one),
                    position=position,
                    endpoint=one.endpoint,
                    also=one.also,
                )
            )

    def _undone(self, one: Found) -> tuple[str, tuple[Step, ...]] | None:
        """The value of a leaf that is an encoded planted value as a whole, and the steps to it."""
        if not one.via or not one.whole or one.number is None or codecs.CODECS[one.via[-1]].kind == "digest":
            return None
        raw = one.layer.data[one.start : one.end]
        steps: list[Step] = []
        for codec in one.via:
            result = codecs.decode(codec, raw, 1 << 20)
            if not result.complete:
                return None
            span = (None, None) if steps else (one.layer.shift + one.start, one.end - one.start)
            raw = result.data
            steps.append(Step(codec, *span))
        return text_of(raw), tuple(steps)

    def _value(self, one: Found) -> str:
        undone = self._undone(one)
        if undone is not None:
            return undone[0]
        leaf = one.leaf
        if leaf is None or leaf[3] - leaf[2] > _LONGEST_VALUE:
            return text_of(one.layer.data[one.start : one.end]) if one.layer.media is None else ""
        return value_of(one.layer, leaf)

    def _path(self, one: Found) -> str:
        """Where it stands, fit for tables."""
        leaf = one.leaf
        if leaf is None:
            return self.mask.keys(self._raw_path(one))
        node = leaf[0]
        path = node.path(leaf[1])
        if node in self._clean:
            return path
        masked = self.mask.keys(path)
        if masked == path:
            self._clean.add(node)
        return masked

    def _raw_path(self, one: Found) -> str:
        if one.layer.head:
            line = one.layer.data.rfind(b"\n", 0, one.start) + 1
            name = one.layer.data[line : one.layer.data.find(b":", line)]
            side = one.layer.node.name
            return f"{side}.header.{text_of(name).lower()}" if line else f"{side}.path"
        beside = None if one.layer.media else _Starts(one.layer).next_leaf(one.start)
        if beside is not None:
            node, index, start = one.layer.leaves[beside][:3]
            if re.fullmatch(rb'[^,;&{}\[\]]{0,64}?"?\s*[:=]\s*["\'{\[]*\s*', one.layer.data[one.end : start]):
                # The find is a key: its path is that of the value under it.
                return node.path(index)
        return one.layer.node.path(one.layer.index)

    def _via(self, one: Found) -> tuple[str, ...]:
        via = one.layer.via_of(one.number) if one.number is not None else one.layer.via
        if one.number is None and one.layer.head:
            via = ("header",) if b"\n" in one.layer.data[: one.start] else ("path",)
        return (*via, *one.via)

    def _origin(self, message: Message, one: Found) -> Origin:
        """Where the value's bytes are had again: the leaf, or what was found where there is none."""
        undone = self._undone(one)
        if undone is not None:
            text, steps = undone
            size = len(text.encode("utf-8", "surrogatepass"))
            return _at(message, one.layer, -one.layer.shift, size - one.layer.shift, steps)
        leaf = one.leaf
        start, end = (
            (leaf[2], leaf[3]) if leaf is not None and leaf[3] - leaf[2] <= _LONGEST_VALUE else (one.start, one.end)
        )
        return _at(message, one.layer, start, end)

    def _clues(self, message: Message, reading: Reading) -> None:
        """Header fields in which machines name their place, for ``conclude`` to judge."""
        data = message.head()
        at = data.index(b"\r\n") + 2
        for name, value in message.headers:
            size = len(f"{name}: {value}".encode("utf-8", "surrogatepass"))
            if name.lower() in self._spec.facts.node_headers and value and len(value) <= 2_000:
                origin = Origin(message.origin.source, message.origin.units, "http-response-head", at, size)
                reading.clues.append(Clue(message.flow, "header", f"{name}: {value}", message.at, origin))
            at += size + 2

    def _agent(self, message: Message, reading: Reading) -> None:
        """Which program the client says it is, for ``conclude`` to judge."""
        for place, (name, value) in enumerate(message.headers):
            if name.lower() != "user-agent":
                continue
            program = agent.program(value, self._spec.facts.agents)
            if program is not None:
                at = message.head().index(b"\r\n") + 2
                before = (f"{n}: {v}\r\n" for n, v in message.headers[:place])
                at += sum(len(line.encode("utf-8", "surrogatepass")) for line in before)
                size = len(f"{name}: {value}".encode("utf-8", "surrogatepass"))
                origin = Origin(message.origin.source, message.origin.units, "http-request-head", at, size)
                reading.clues.append(Clue(message.flow, "user_agent", program, message.at, origin))
            return

    def _hide_target(self, message: Message, found: list[Found], reading: Reading) -> None:
        """The path and host that tables may hold."""
        hidden: dict[int, str] = {}
        for one in found:
            leaf = one.leaf
            here: Layer | None = one.layer
            number = one.number
            while here is not None and here.owner is not None:
                here, number = here.owner
                leaf = here.leaves[number]
            if here is not None and here.head and leaf is not None and number is not None:
                root: Node = leaf[0]
                while root.parent is not None:
                    root = root.parent
                if root.name == "request.path":
                    hidden[leaf[1][0]] = one.data_type
        path = re.sub(r"^[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*", "", message.target)
        path = path.partition("#")[0].partition("?")[0]
        parts, number = [], 0
        for part in path.split("/"):
            if part:
                parts.append(f"‹{hidden[number]}›" if number in hidden else part)
                number += 1
            else:
                parts.append(part)
        reading.path = self.mask.path("/".join(parts))
        reading.host = self.mask.host(message.host)

    def _evidence(self, message: Message, found: list[Found], reading: Reading) -> None:
        others = {(id(f.layer), f.number): f for f in reversed(found) if f.number is not None}
        counts: dict[tuple[str, str], int] = {}
        host = reading.host if reading.host is not None else self.mask.host(message.host)
        path = reading.path
        if path is None:
            path = self.mask.path(message.target.partition("?")[0])
        line = f"{self.mask.text(token(message.method))} {host}{path}".strip()
        if message.kind == "response":
            line = f"{message.status if message.status is not None else ''} from {line}".strip()
        for number, (one, sent) in enumerate(zip(found, reading.transmissions, strict=True)):
            group = (sent.data_type, re.sub(r"\[\d+\]", "[]", sent.path))
            counts[group] = counts.get(group, 0) + 1
            if counts[group] > _EVIDENCE_EACH:
                continue
            text = excerpt(one, others, self.mask.key)
            reading.evidence.append(Evidence(number, text, line[:400], " > ".join(sent.via), sent.origin))


_CHARSETS = codecs.CHARSETS.keys() | {"utf-16le", "utf-16be"}
_NUMERIC = frozenset(b"+-(0123456789 ")
_GROUPED = re.compile(rb"[+(]{0,2}\d[\d \-().+/]*[ \-().+/][\d \-().+/]*\d\Z")
"""A number of 8 digits and more with separators among them."""


def _planted(layer: Layer, number: int | None, hit: Hit, whole: bool) -> Found:
    kind, same = hit.value.data_type, hit.value.same
    return Found(layer, number, hit.start, hit.end, kind, "planted", "high", same=same, whole=whole, via=hit.via)


def _read_on(layer: Layer, same: str, bare: list[tuple[Layer, str]]) -> bool:
    """A value stands as a leaf in what a whole layer became once its UTF-16 was undone."""
    depth = len(layer.steps)
    return any(
        value == same
        and len(inner.steps) > depth
        and inner.steps[:depth] == layer.steps
        and inner.steps[depth].codec in _CHARSETS
        for inner, value in bare
    )


class _Starts:
    """Which leaf covers a place in a layer."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._order = sorted(range(len(layer.leaves)), key=lambda n: layer.leaves[n][2])
        self._starts = [layer.leaves[n][2] for n in self._order]

    def leaf(self, start: int, end: int) -> int | None:
        """The number of the leaf that covers ``start:end``."""
        from bisect import bisect_right

        at = bisect_right(self._starts, start) - 1
        if at < 0:
            return None
        number = self._order[at]
        return number if self._layer.leaves[number][3] >= end else None

    def next_leaf(self, start: int) -> int | None:
        """The first leaf at or behind a place, where it stands close enough to be named by a key there."""
        from bisect import bisect_left

        at = bisect_left(self._starts, start)
        return self._order[at] if at < len(self._order) else None


def _at(message: Message, layer: Layer, start: int, end: int, more: tuple[Step, ...] = ()) -> Origin:
    """The origin of ``start:end`` of a layer, or, with ``more`` steps undone from there, of what they gave."""
    origin = message.origin
    offset = layer.shift + start
    all_steps = (*layer.steps, *more)
    if layer.head:
        name = "http-response-head" if message.kind == "response" else "http-request-head"
        return Origin(origin.source, origin.units, name, offset, end - start, all_steps)
    if not all_steps:
        return Origin(origin.source, origin.units, origin.layer, origin.offset + offset, end - start, origin.steps)
    first = all_steps[0]
    if origin.offset or not origin.layer.startswith("http-") or first.offset is not None:
        # The body is a part of its layer: the first step counts there.
        inner = first.offset or 0
        size = first.length if first.length is not None else len(message.body)
        first = Step(first.codec, origin.offset + inner, size)
    return Origin(
        origin.source, origin.units, origin.layer, offset, end - start, (*origin.steps, first, *all_steps[1:])
    )


def _default_checks(facts: Facts) -> Sequence[tuple[str, str]]:
    from analysis.read.detect.rules import default_check

    return [(data_type, default_check(data_type, validator)) for data_type, validator, _ in facts.types]
