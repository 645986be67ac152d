"""From a message to its leaves: content codings, then whatever stands within one another.

The walk counts its work in leaves, levels and octets. Where a limit is hit, what is left is not opened; its raw
bytes are kept as a layer without leaves, so that planted values are still searched for in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from analysis import budget, codecs
from analysis.model import Message, Step
from analysis.read.decode import form, json, multipart, openers, text, xml
from analysis.read.decode.ciphertext import is_ciphertext, is_rtp, names_cipher
from analysis.read.decode.codings import undo_codings
from analysis.read.decode.leaves import (
    ESCAPED,
    FORM,
    LITERAL,
    PERCENT,
    RAW,
    XML,
    Index,
    Layer,
    Leaf,
    Node,
    name_of,
)
from analysis.read.decode.media import media_type
from analysis.read.decode.weighing import Weighing
from analysis.reading_states import CUT, EMPTY, NOT_UNDERSTOOD, SEALED, UNDERSTOOD

_CODEC = {ESCAPED: "json-string", FORM: "form-percent", PERCENT: "percent", XML: "html"}
"""The codec that turns a leaf's bytes into its value."""

_MOST_PARTS = 10_000
"""Parts of one multipart body."""
_SHORTEST = 5
"""Octets below which nothing but JSON is looked for inside a value: ``a=1&b`` is the shortest form of two fields, and
planted values in short encodings are needles."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Work that one message may cost."""

    leaves: int = 500_000
    depth: int = 8
    """Decodings of values within one another."""
    octets: int = codecs.MOST_OCTETS
    """Octets that content codings may give, and as many again the encodings of values; of a small message no more
    than ``codecs.most_octets`` says."""


@dataclass(slots=True)
class Walked:
    """What a message consists of."""

    layers: list[Layer] = field(default_factory=list)
    state: str = UNDERSTOOD
    """How far the body could be read; media of a known type is understood."""
    not_understood: int = 0
    """Octets of the body, as sent, that nobody understood."""
    cause: str | None = None
    """Why, where the state alone does not say it."""
    losses: list[tuple[str, int, str]] = field(default_factory=list)
    """Kind, octets, and where or why."""
    moved: set[tuple[int, int]] = field(default_factory=set)
    """Leaves whose value stands as a leaf of its own in a later layer: identity of their layer, number."""
    work: int = 0
    """Units of work that were counted (``analysis.budget``)."""
    short: bool = False
    """The message's allowance did not suffice; with a larger one more would be opened."""

    @property
    def decoded(self) -> bool:
        """The body was understood down to leaves, or there is none."""
        return self.state in (UNDERSTOOD, EMPTY)


class Forest:
    """The trees of paths, which outlive messages. Grown too large (a sender may use values as keys), they are
    planted anew."""

    MOST = 60_000

    def __init__(self) -> None:
        self.roots: dict[str, Node] = {}

    def root(self, name: str) -> Node:
        """The root called ``name``."""
        found = self.roots.get(name)
        if found is None:
            found = self.roots[name] = Node(name, None)
        return found

    def prune(self) -> None:
        """Forget all names when there are too many."""
        if self._size() > self.MOST:
            self.roots.clear()

    def _size(self) -> int:
        count, open_nodes = 0, list(self.roots.values())
        while open_nodes and count <= self.MOST:
            node = open_nodes.pop()
            count += 1
            open_nodes.extend(node.kids.values())
            if node.element is not None:
                open_nodes.append(node.element)
        return count


class Walk:
    """One walk through one message."""

    def __init__(self, message: Message, forest: Forest, limits: Limits) -> None:
        self.message = message
        self.forest = forest
        self.limits = limits
        self.out = Walked()
        self.leaves = limits.leaves
        self._allowance = budget.own(message)
        self._ceiling = min(limits.octets, codecs.most_octets(len(message.body)))
        self.most = min(self._ceiling, self._allowance)
        self.octets = self.most
        self._broken = False
        self._coding_failed = False
        self._weighing = Weighing()
        self._hit: set[str] = set()
        self._given = 0
        self._unopened = 0
        self._stated = content_type(message.headers)

    def run(self) -> Walked:
        """Head and body, and all that stands in them."""
        side = {"request": "request", "response": "response"}.get(self.message.kind, "message")
        if side != "message":
            self._head(side)
        self._body(self.forest.root(f"{side}.body"))
        at = 0
        # The list grows while it is walked: what a leaf holds is a layer behind it.
        while at < len(self.out.layers):
            self._within(self.out.layers[at])
            at += 1
        self._limited()
        self._weigh()
        self._count()
        return self.out

    def limit(self, what: str, octets: int, where: str) -> None:
        """Count a limit that was hit."""
        self._hit.add(what)
        self.out.losses.append((f"{what}_limited", octets, where))

    # -------------------------------------------------------------------------------------------------- head

    def _head(self, side: str) -> None:
        m = self.message
        data = m.head()
        layer = Layer(data, True, (), (), self.forest.root(side))
        root = self.forest.root
        at = data.index(b"\r\n") + 2
        if side == "request":
            start = len(m.method.encode("utf-8", "surrogatepass")) + 1
            end = start + len(m.target.encode("utf-8", "surrogatepass"))
            self._target(layer, start, end)
        for name, value in m.headers:
            raw_name, raw = name.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass")
            start = at + len(raw_name) + 2
            end = start + len(raw)
            at = end + 2
            lower = name.lower()
            if self.leaves <= len(layer.leaves):
                self.limit("leaves", len(data) - start, "headers")
                break
            if lower in ("cookie", "set-cookie"):
                form.scan_cookies(data, start, end, root(f"{side}.cookie"), layer.leaves, lower == "set-cookie")
                continue
            while start < end and data[start] in b" \t":
                start += 1
            leaf_form = RAW
            layer.leaves.append(
                (root(f"{side}.header").kid(lower.encode("utf-8", "replace")), (), start, end, leaf_form)
            )
        self.leaves -= len(layer.leaves)
        self.out.layers.append(layer)

    def _target(self, layer: Layer, start: int, end: int) -> None:
        data = layer.data
        absolute = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*").match(data, start, end)
        path = absolute.end() if absolute else start
        question = data.find(b"?", path, end)
        fragment = data.find(b"#", path, end)
        stop = fragment if fragment >= 0 else end
        if question < 0 or question > stop:
            question = stop
        each = self.forest.root("request.path").each()
        number, at = 0, path
        while at < question:
            slash = data.find(b"/", at, question)
            to = slash if slash >= 0 else question
            if to > at:
                layer.leaves.append((each, (number,), at, to, PERCENT if data.find(b"%", at, to) >= 0 else RAW))
                number += 1
            at = to + 1
            if number > self.limits.leaves:
                self.limit("leaves", question - at, "path")
                return
        if question < stop:
            node = self.forest.root("request.query")
            if not form.scan(data, question + 1, stop, node, (), layer.leaves, self.leaves):
                self.limit("leaves", stop - question, "query")

    # -------------------------------------------------------------------------------------------------- body

    def _body(self, node: Node) -> None:
        m = self.message
        if not m.body:
            if m.size > 0 or m.cut:
                self._not_read(CUT, m.size, "body_cut", m.size, "the capture does not hold it")
            else:
                self.out.state = EMPTY
            return
        coded = undo_codings(m, self.most)
        self.out.losses += coded.losses
        stated = "".join(value for name, value in m.headers if name.lower() == "content-encoding")
        self._coding_failed = bool(coded.losses) and not names_cipher(stated)
        layer = Layer(coded.data, False, coded.via, coded.steps, node)
        self.out.layers.append(layer)
        self._spend_on_body(layer)
        if coded.limited:
            # Bytes that a bomb would give are not walked; those that came are searched.
            self._hit.add("octets")
            told = f"content coding gives over {self.most} octets"
            self._not_read(NOT_UNDERSTOOD, m.size, "body_limited", len(m.body), told)
            return
        kind = content_type(m.headers)
        self._weighing.body = layer
        understood = self.open(layer, kind, m.kind)
        if understood and not (m.cut or coded.cut):
            return
        if self._hit:
            self._not_read(
                NOT_UNDERSTOOD, m.size, "body_limited", len(m.body), f"limit of {', '.join(sorted(self._hit))}"
            )
        elif m.cut or coded.cut or self._broken:
            told = "it breaks off; what came was read" if understood else "it breaks off"
            lacking = max(m.size - len(m.body), 0) if understood else m.size
            self._not_read(CUT, lacking, "body_cut", m.size, told)
        else:
            # What of it, is weighed once all values were opened.
            self.out.state, self.out.not_understood = NOT_UNDERSTOOD, m.size
            self._weighing.torn = not self._weighing.closed

    def _not_read(self, state: str, not_understood: int, kind: str, octets: int, where: str) -> None:
        self.out.state, self.out.not_understood = state, not_understood
        self.out.cause = kind if state == NOT_UNDERSTOOD else None
        self.out.losses.append((kind, octets, where))

    def _weigh(self) -> None:
        """What of the message nobody understood: octets that were opened and belong to no format, and ciphertext."""
        m, out = self.message, self.out
        if out.state == CUT or out.cause is not None:
            return
        told = content_type(m.headers).partition(";")[0].strip().lower() or "no type stated"
        weight = self._weighing.of(out, m.size, len(m.target) if m.kind == "request" else 0)
        if weight.octets or out.state == NOT_UNDERSTOOD:
            if weight.octets and not self._weighing.torn:
                out.not_understood = weight.octets
            out.state = SEALED if weight.sealed and not self._weighing.torn else NOT_UNDERSTOOD
            if out.state == NOT_UNDERSTOOD:
                only = weight.ciphertext and not weight.other and not self._weighing.torn
                out.cause = "ciphertext_in_part" if only else "body_undecoded"
            sealed = f"{told}: ciphertext" if weight.ciphertext else told
            out.losses.append(("body_undecoded", out.not_understood if m.body else 0, sealed))

    # ------------------------------------------------------------------------------------------------ layers

    def open(self, layer: Layer, stated: str = "", kind: str = "") -> bool:
        """Find the leaves of a layer: by content first, by what its sender calls it second. True when it was
        understood to its end."""
        data = layer.data
        if not data:
            return True
        stated = stated.lower()
        charset = text.charset_of(data, stated if "charset" in stated else self._stated)
        if charset is not None:
            return self._wide(layer, charset, 0, stated, kind)
        if self._is_ciphertext(layer, stated, kind):
            self._weighing.close(layer, True)
            return False
        found = media_type(data, sure=layer.depth > 0)
        if found is not None:
            layer.media, layer.via = found, (*layer.via, "media")
            return True
        wide = text.utf16_of(data)
        if wide is not None:
            return self._wide(layer, *wide, stated, kind)
        if kind == "grpc" or stated.startswith("application/grpc"):
            return self._grpc(layer)
        if stated.startswith("multipart/") or data.startswith(b"--"):
            boundary = multipart.boundary_of(
                stated if "boundary" not in stated else content_type(self.message.headers), data
            )
            if boundary is not None:
                return self._multipart(layer, boundary)
        if json.looks_like_json(data) or ("json" in stated and data.lstrip()[:1] not in b"<"):
            before = len(layer.leaves)
            scan = json.scan(data, layer.node, layer.index, layer.leaves, layer.containers, self.leaves)
            self.leaves -= len(layer.leaves) - before
            if scan.whole or scan.cut or scan.limit or len(layer.leaves) > before + 1:
                layer.via = (*layer.via, "ndjson" if scan.several else "json")
                if scan.limit is not None:
                    self.limit(scan.limit, len(data) - scan.end, "JSON")
                self._broken = self._broken or scan.cut
                return scan.whole
            del layer.leaves[before:]
            layer.containers.clear()
        if kind == "sse" or stated.startswith("text/event-stream") or text.looks_like_events(data):
            return self._events(layer)
        if stated.startswith(("application/http", "message/http")) and self._http(layer):
            return True
        if self._lines(layer):
            return True
        if not text.is_base64(data) and form.looks_like_form(
            data, stated.startswith("application/x-www-form-urlencoded")
        ):
            return self._form(layer)
        if xml.looks_like_xml(data):
            before = len(layer.leaves)
            if xml.scan(data, layer.node, layer.index, layer.leaves, self.leaves):
                self.leaves -= len(layer.leaves) - before
                layer.via = (*layer.via, "plist" if b"<plist" in data[:1024] else "xml")
                return True
            del layer.leaves[before:]
        is_text = text.is_text(data)
        before = len(layer.leaves)
        if openers.behind_prefix(
            data, is_text, layer.node, layer.index, layer.leaves, layer.containers, self.leaves
        ) or (is_text and openers.csv_rows(data, layer.node, layer.index, layer.leaves, self.leaves)):
            self.leaves -= len(layer.leaves) - before
            layer.via = (*layer.via, "json" if layer.containers else "csv")
            return True
        if is_text:
            layer.via = (*layer.via, "text")
            self._leaf(layer, (layer.node, layer.index, 0, len(data), RAW))
            return True
        self._weighing.close(layer, False)
        return False

    def _is_ciphertext(self, layer: Layer, stated: str, kind: str) -> bool:
        """Octets that are no text at their start, of no framing that would be opened first, and not what a content
        coding gave that could not be undone."""
        data = layer.data
        if self._coding_failed or kind == "grpc" or stated.startswith(("application/grpc", "multipart/")):
            return False
        if data[:32].isascii() and len(data[:32].translate(None, text.CONTROL)) == len(data[:32]):
            return False
        if kind == "udp" and is_rtp(data):
            return False
        return is_ciphertext(data, stated)

    def _leaf(self, layer: Layer, leaf: Leaf) -> None:
        if self.leaves > 0:
            self.leaves -= 1
            layer.leaves.append(leaf)
        elif "leaves" not in self._hit:
            self.limit("leaves", leaf[3] - leaf[2], "values within values")

    def _form(self, layer: Layer) -> bool:
        before = len(layer.leaves)
        end = len(layer.data.rstrip(b"\r\n"))
        whole = form.scan(layer.data, 0, end, layer.node, layer.index, layer.leaves, self.leaves)
        self.leaves -= len(layer.leaves) - before
        layer.via = (*layer.via, "form")
        if not whole:
            self.limit("leaves", 0, "form")
        return whole

    def _lines(self, layer: Layer) -> bool:
        """Texts of their own, a line each. What stands in a line is opened as in any value."""
        data = layer.data
        if data.count(b"\n") + data.count(b"\x1e") < 1 or data[:1] == b"<" or not text.is_text(data):
            return False
        spans = openers.lines(data, self.leaves)
        if spans:
            layer.via = (*layer.via, "lines")
            each = layer.node.each()
            for number, (start, end) in enumerate(spans):
                self._leaf(layer, (each, (*layer.index, number), start, end, RAW))
        return bool(spans)

    def _http(self, layer: Layer) -> bool:
        """A request or answer written as text: its target, its fields, its body."""
        parts = openers.http_text(layer.data)
        if parts is None:
            return False
        layer.via = (*layer.via, "http")
        layer.sliced = True
        if parts.target is not None:
            self._leaf(layer, (layer.node.kid(b"target"), layer.index, *parts.target, RAW))
        fields = layer.node.kid(b"header")
        for name, start, end in parts.fields:
            self._leaf(layer, (fields.kid(name), layer.index, start, end, RAW))
        inner = self._slice(layer, parts.body, len(layer.data.rstrip(b"\r\n")), layer.node, layer.index)
        inner.depth = layer.depth + 1
        if not inner.data:
            return True
        self.out.layers.append(inner)
        if inner.depth > self.limits.depth:
            self.limit("depth", len(inner.data), "messages within messages")
            return False
        return self._part(inner, parts.type)

    def _events(self, layer: Layer) -> bool:
        """Server-sent events (WHATWG HTML section 9.2): each event an element, each line's field a name."""
        layer.via = (*layer.via, "sse")
        each = layer.node.each()
        for number, name, start, end in text.events(layer.data):
            self._leaf(layer, (each.kid(name), (*layer.index, number), start, end, RAW))
        return "leaves" not in self._hit

    def _grpc(self, layer: Layer) -> bool:
        """Length-prefixed messages (gRPC over HTTP/2). Their content is opened where it is no protobuf."""
        at, number, understood = 0, 0, True
        data = layer.data
        layer.sliced = True
        layer.via = (*layer.via, "grpc")
        while at + 5 <= len(data):
            size = int.from_bytes(data[at + 1 : at + 5])
            start, end = at + 5, min(at + 5 + size, len(data))
            inner = self._slice(layer, start, end, layer.node.each(), (*layer.index, number))
            if data[at] & 1:
                raw = self._undo("gzip", inner.data)
                if raw is not None:
                    inner = self._decoded(inner, raw, "gzip", None, inner.node, inner.index)
            self.out.layers.append(inner)
            understood = self.open(inner) and understood
            at, number = at + 5 + size, number + 1
            if number > 10_000:
                self.limit("leaves", len(data) - at, "gRPC messages")
                return False
        return understood and at == len(data)

    def _multipart(self, layer: Layer, boundary: bytes) -> bool:
        layer.sliced = True
        layer.via = (*layer.via, "multipart")
        most = min(_MOST_PARTS, self.leaves)
        parts = multipart.parts(layer.data, boundary, most + 1)
        understood = bool(parts) and parts[-1].closed
        if len(parts) > most:
            self.limit("leaves", len(layer.data) - parts[most].start, "parts")
            parts, understood = parts[:most], False
        for number, part in enumerate(parts):
            if part.name is not None:
                node, index = layer.node.kid(part.name), layer.index
            else:
                node, index = layer.node.each(), (*layer.index, number)
            if part.filename is not None and part.filename[1] > part.filename[0]:
                self._leaf(layer, (node.kid(b"filename"), index, *part.filename, RAW))
            inner = self._slice(layer, part.start, part.end, node, index)
            stated = [part.encoding] if part.encoding in ("base64", "quoted-printable") else []
            for codec in (*stated, *codecs.content_codings(part.coding)):
                raw = self._undo(codec, inner.data)
                if raw is None:
                    break
                inner = self._decoded(inner, raw, codec, None, node, index)
            inner.depth = layer.depth + 1
            self.out.layers.append(inner)
            if inner.depth > self.limits.depth or len(self.out.layers) > 2 * _MOST_PARTS:
                # The part stays a layer without leaves, which is searched.
                self.limit("depth", len(inner.data), "parts within parts")
                understood = False
                continue
            understood = self._part(inner, part.type) and understood
        return understood

    def _part(self, layer: Layer, stated: str) -> bool:
        """A part without a type is text (RFC 7578 section 4.4), and is one value unless it is plainly JSON."""
        if not stated and openers.http_text(layer.data) is not None:
            stated = "application/http"
        if stated or not text.is_text(layer.data) or json.looks_like_json(layer.data):
            plain = layer.via
            opened = self.open(layer, stated)
            if layer.via == (*plain, "text"):
                layer.via = plain
            return opened
        self._leaf(layer, (layer.node, layer.index, 0, len(layer.data), RAW))
        return True

    # --------------------------------------------------------------------------------------- values in values

    def _slice(self, layer: Layer, start: int, end: int, node: Node, index: Index) -> Layer:
        """A part of a layer as a layer: its offsets go on counting in the same bytes."""
        return Layer(
            layer.data[start:end],
            layer.head,
            layer.via,
            layer.steps,
            node,
            index,
            layer.depth,
            shift=layer.shift + start,
            part=True,
            owner=layer.owner,
        )

    def _decoded(
        self,
        layer: Layer,
        raw: bytes,
        codec: str,
        span: tuple[int, int] | None,
        node: Node,
        index: Index,
        named: bool = True,
    ) -> Layer:
        """What a codec gave for a part of a layer (``span``), or for all of it. ``named``: the codec belongs in
        ``via``; the escapes of a format do not."""
        if span is None and (layer.shift or layer.head or layer.part):
            span = (0, len(layer.data))
        step = Step(codec) if span is None else Step(codec, layer.shift + span[0], span[1] - span[0])
        via = (*layer.via, codec) if named else layer.via
        return Layer(raw, layer.head, via, (*layer.steps, step), node, index, layer.depth + 1, owner=layer.owner)

    def _undo(self, codec: str, data: bytes) -> bytes | None:
        """What ``data`` stands for; None where it is not so encoded, or the octets are used up."""
        undo = codecs.CODECS[codec].undo
        if undo is None:
            return None
        result = undo(data, max(self.octets, 0))
        if result.limited and "octets" not in self._hit:
            self.limit("octets", len(data), "values within values")
        if not result.complete:
            return None
        self.octets -= len(result.data) + budget.LAYER
        return result.data

    def _wide(self, layer: Layer, codec: str, start: int, stated: str, kind: str) -> bool:
        """The whole layer, from ``start`` on, is text in a charset that is not UTF-8."""
        raw = self._undo(codec, layer.data[start:])
        if raw is None:
            return False
        span = (start, len(layer.data)) if start else None
        inner = self._decoded(layer, raw, codec, span, layer.node, layer.index)
        inner.depth -= 1
        self.out.layers.append(inner)
        return self.open(inner, stated, kind)

    def _spend_on_body(self, layer: Layer) -> None:
        """What the body's content codings gave is spent: leaves and values get what is left."""
        self._given = len(layer.data) if layer.steps else 0
        left = max(self._allowance - self._given, 0)
        self.leaves = min(self.leaves, left // budget.LEAF)
        self.octets = min(self._ceiling, left)

    def _count(self) -> None:
        """The work that was done, and whether the allowance fell short of the limits of one message."""
        leaves = sum(len(layer.leaves) for layer in self.out.layers)
        left = max(self._allowance - self._given, 0)
        spent = min(self._ceiling, left) - self.octets
        self.out.work = self._given + max(spent, 0) + budget.LEAF * leaves
        over = {"octets": left < self._ceiling, "leaves": left // budget.LEAF < self.limits.leaves}
        self.out.short = any(over.get(what, False) for what in self._hit)

    def _limited(self) -> None:
        """Values that were not opened, since a limit was reached, were not understood."""
        if self._unopened and self.out.state == UNDERSTOOD:
            told = f"limit of {', '.join(sorted(self._hit))}, values within values"
            self._not_read(
                NOT_UNDERSTOOD, min(self._unopened, self.message.size), "body_limited", self.message.size, told
            )

    def _within(self, layer: Layer) -> None:
        """Open what the leaves of a layer hold."""
        data = layer.data
        own = id(layer)
        worth = _WORTH.match
        undo = self._decode_into
        cookie = None
        if layer.head:
            cookie = self.forest.root(f"{layer.node.name}.cookie")
        for number, (node, index, start, end, how) in enumerate(layer.leaves):
            if how == LITERAL:
                continue
            if self.octets < budget.LAYER and (how != RAW or end - start >= _SHORTEST):
                if how != RAW or worth(data, start, end) is not None:
                    if "octets" not in self._hit:
                        self.limit("octets", end - start, "values within values")
                    if not layer.head:
                        self._unopened += end - start
                continue
            if how == RAW:
                if end - start < _SHORTEST and (end - start < 2 or data[start] not in b"{["):
                    continue
                m = worth(data, start, end)
                if m is None:
                    continue
            else:
                codec = _CODEC[how]
                if how == FORM and self._keeps_plus(data[start:end]):
                    codec = _CODEC[PERCENT]
                decoded = self._undo(codec, data[start:end])
                if decoded is None:
                    continue
                base = self._decoded(layer, decoded, codec, (start, end), node, index, named=False)
                base.via = layer.via_of(number)
                if cookie is not None and node.parent is cookie:
                    base.via = (*base.via, "percent")
                base.depth -= 1
                base.owner = (layer, number)
                self.out.moved.add((own, number))
                charset = text.charset_of(decoded, self._stated)
                told = self._undo(charset, decoded) if charset is not None else None
                if charset is not None and told is not None:
                    base = self._decoded(base, told, charset, None, node, index)
                    base.depth -= 1
                    decoded = told
                base.leaves.append((node, index, 0, len(decoded), RAW))
                self.out.layers.append(base)
                continue
            if layer.depth >= self.limits.depth:
                if "depth" not in self._hit:
                    self.limit("depth", end - start, "values within values")
                continue
            if m.lastgroup == "hex":
                undo(layer, number, "hex", 0, end - start, node)
            elif m.lastgroup == "base64":
                alphabet = text.base64_of(data[start:end])
                if alphabet is None or not undo(layer, number, alphabet, 0, end - start, node):
                    self._behind_word(layer, number, data[start:end])
            else:
                self._nested(layer, number, data[start:end])

    def _nested(self, layer: Layer, number: int, value: bytes) -> None:
        """One value that may hold more: JSON, XML, a URL, a form, a JWT, base64, hex, percent-encoding, media."""
        node, index, start, end, _ = layer.leaves[number]
        first = value[0]
        if first in b"{[ \t\r\n" and json.looks_like_json(value):
            inner = self._inner(layer, number, start, end)
            before = self.leaves
            scan = json.scan(value, node, index, inner.leaves, inner.containers, self.leaves)
            if scan.whole or (inner.leaves and (scan.cut or scan.limit)):
                self.leaves -= len(inner.leaves)
                inner.via = (*layer.way_to(number), "json")
                if scan.limit is not None:
                    self.limit(scan.limit, len(value) - scan.end, "JSON in a value")
                self._keep(layer, number, inner, moved=True)
                return
            self.leaves = before
        if first == 0x22 and len(value) > 2 and value[-1] == 0x22:
            if text.is_json_string(value):
                raw = self._undo("json-string", value[1:-1])
                if raw is not None:
                    inner = self._decoded(layer, raw, "json-string", (start + 1, end - 1), node, index, named=False)
                    inner.via = (*layer.way_to(number), "json")
                    inner.leaves.append((node, index, 0, len(raw), RAW))
                    self._keep(layer, number, inner, moved=True)
            return
        if first == 0x3C:
            if xml.looks_like_xml(value):
                inner = self._inner(layer, number, start, end)
                if xml.scan(value, node, index, inner.leaves, self.leaves):
                    self.leaves -= len(inner.leaves)
                    inner.via = (*layer.way_to(number), "plist" if b"<plist" in value[:1024] else "xml")
                    self._keep(layer, number, inner, moved=True)
            return
        if value.startswith(b"data:") and b";base64," in value[:200]:
            self._data_url(layer, number, value)
            return
        queries = form.query_of(value)
        if queries:
            for a, b in queries:
                inner = self._inner(layer, number, start + a, start + b)
                if not form.scan(inner.data, 0, b - a, node, index, inner.leaves, self.leaves):
                    self.limit("leaves", b - a, "query in a value")
                self.leaves -= len(inner.leaves)
                inner.via = (*layer.way_to(number), "url")
                self._keep(layer, number, inner, moved=False)
            return
        basic = text.basic_part(value)
        if basic is not None:
            self._decode_into(layer, number, "base64", *basic, node, via="basic")
            return
        jwt = text.jwt_parts(value)
        if jwt:
            for name, a, b in jwt:
                self._decode_into(layer, number, "base64url", a, b, node.kid(name), via="jwt")
            return
        if value.count(b"&") >= 1 and not text.is_base64(value) and form.looks_like_form(value, False):
            inner = self._inner(layer, number, start, end)
            if not form.scan(value, 0, len(value), node, index, inner.leaves, self.leaves):
                self.limit("leaves", len(value), "form in a value")
            self.leaves -= len(inner.leaves)
            inner.via = (*layer.way_to(number), "form")
            self._keep(layer, number, inner, moved=True)
            return
        if b"%" in value and text.has_percent(value):
            raw = self._undo("percent", value)
            if raw is not None and raw != value and text.is_text(raw):
                inner = self._decoded(layer, raw, "percent", (start, end), node, index)
                inner.via = (*layer.way_to(number), "percent")
                inner.leaves.append((node, index, 0, len(raw), RAW))
                self._keep(layer, number, inner, moved=True)
            return
        if self._texts_within(layer, number, value):
            return
        codec = text.base64_of(value)
        if codec is None or not self._decode_into(layer, number, codec, 0, len(value), node):
            self._behind_word(layer, number, value)

    def _texts_within(self, layer: Layer, number: int, value: bytes) -> bool:
        """Parameters that semicolons part, lines of their own, protobuf's text format, JSON behind a prefix."""
        node, index, start, end, _ = layer.leaves[number]
        inner = self._inner(layer, number, start, end)
        pairs = openers.semicolon_pairs(value)
        if pairs:
            if pairs[0][0]:
                inner.leaves.append((node, index, 0, pairs[0][0] - 1, RAW))
            for a, b, c, d in pairs[: max(self.leaves - 1, 0)]:
                how = PERCENT if value.find(b"%", c, d) >= 0 else RAW
                inner.leaves.append((node.kid(value[a:b].strip()), index, c, d, how))
            name = "parameters"
        elif b"\n" in value and (spans := openers.lines(value, self.leaves)):
            each = node.each()
            inner.leaves += [(each, (*index, n), a, b, RAW) for n, (a, b) in enumerate(spans)]
            name = "lines"
        elif openers.proto_text(value, node, index, inner.leaves, self.leaves):
            name = "prototext"
        elif openers.behind_prefix(value, True, node, index, inner.leaves, inner.containers, self.leaves):
            name = "json"
        else:
            return False
        self.leaves -= len(inner.leaves)
        inner.via = (*layer.way_to(number), name)
        self._keep(layer, number, inner, moved=True)
        return True

    def _behind_word(self, layer: Layer, number: int, value: bytes) -> None:
        """A JWT or base64 behind a scheme word."""
        span = openers.behind_word(value)
        if span is None:
            return
        node = layer.leaves[number][0]
        jwt = text.jwt_parts(value[span[0] :].rstrip())
        for name, a, b in jwt:
            self._decode_into(layer, number, "base64url", span[0] + a, span[0] + b, node.kid(name), via="jwt")
        codec = text.base64_of(value[slice(*span)])
        if not jwt and codec is not None:
            self._decode_into(layer, number, codec, *span, node)

    def _keeps_plus(self, raw: bytes) -> bool:
        """The plus signs of a form's value are base64's: with them it decodes to something, and not by chance."""
        if b"+" not in raw or _PLUS_BASE64.match(raw) is None:
            return False
        plain = self._undo("percent", raw)
        octets = self._undo("base64", plain) if plain is not None else None
        return octets is not None and (
            text.is_text(octets) or text.packing_of(octets) is not None or media_type(octets, sure=True) is not None
        )

    def _inner(self, layer: Layer, number: int, start: int, end: int) -> Layer:
        node, index = layer.leaves[number][0], layer.leaves[number][1]
        inner = self._slice(layer, start, end, node, index)
        inner.owner = (layer, number)
        inner.depth = layer.depth + 1
        self.octets -= budget.LAYER
        return inner

    def _keep(self, layer: Layer, number: int, inner: Layer, moved: bool) -> None:
        inner.owner = (layer, number)
        self.out.layers.append(inner)
        if moved:
            self.out.moved.add((id(layer), number))

    def _data_url(self, layer: Layer, number: int, value: bytes) -> None:
        comma = value.find(b",", 0, 200)
        if comma > 0 and value[:comma].endswith(b";base64"):
            node = layer.leaves[number][0]
            self._decode_into(layer, number, "base64", comma + 1, len(value), node)

    def _decode_into(
        self, layer: Layer, number: int, codec: str, a: int, b: int, node: Node, via: str | None = None
    ) -> bool:
        """Decode a part of a value and keep the result if it makes sense (True): text, a known format, something
        packed, or media. Chance does not make 12 octets printable, so a random identifier is left alone."""
        start, index = layer.leaves[number][2], layer.leaves[number][1]
        raw = self._undo(codec, layer.data[start + a : start + b])
        if not raw:
            return False
        packed = text.packing_of(raw)
        telling = packed is not None or (text.is_text(raw) and len(raw) >= 3)
        wide = telling or text.utf16_of(raw) is not None or text.charset_of(raw, self._stated) is not None
        if not wide and media_type(raw, sure=True) is None:
            return False
        inner = self._decoded(layer, raw, codec, (start + a, start + b), node, index)
        inner.via = (*layer.way_to(number), via or codec)
        if packed is not None:
            unpacked = self._undo(packed, raw)
            if unpacked is None:
                return False
            inner = self._decoded(inner, unpacked, packed, None, node, index)
            inner.depth -= 1
        inner.owner = (layer, number)
        self.out.layers.append(inner)
        shown = inner.via
        self.open(inner)
        if inner.via == (*shown, "text") or (via == "jwt" and inner.via == (*shown, "json")):
            inner.via = shown
        return True


_PLUS_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]|%2[BbFf]){20,}(?:=|%3[Dd]){0,2}\Z")
_WORTH = re.compile(
    rb"\s*[{\[]|\"|<|data:|(?:(?:[Bb]earer|JWT)\s+)?eyJ|[Bb]asic\s|"
    rb"[A-Za-z][A-Za-z0-9+.\-]{1,30}:(?=[^\s\"<>]*[?#])|[^%&]*%[0-9A-Fa-f]{2}|"
    rb"[\w.\-$%+~*:@!\[\]]{1,200}=[^&;\s]*[&;]|"
    rb"(?P<hex>(?:[0-9a-fA-F]{2}){8,}+\Z)|"
    # No digits alone, whose octets would be no text; no UUID.
    rb"(?P<base64>(?!\d+\Z|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-)[A-Za-z0-9+/_\-\r\n]{12,}={0,2}\s*\Z)|"
    # A query without scheme or host; parameters behind semicolons; a document behind a prefix; names and values; a
    # word before base64.
    rb"[^\s\"<>?#]{0,2000}+\?[\w.\-$%+~*:@!\[\]]{1,200}+=|[^;=&\s]{0,500}+;[\w.\-$%+~*:@!\[\]]{1,200}+=|"
    rb"[^\[{]{1,200}+[\[{]|[A-Za-z_][\w.]{0,100}+:\s*+[^\s:]{1,200}+\s++[A-Za-z_][\w.]{0,100}+\s*+[:{]|"
    rb"[A-Za-z0-9][A-Za-z0-9_]{0,23}[ :=|.,~+\-]{1,3}[A-Za-z0-9+/_\-]{16}",
    re.DOTALL,
)
"""A look at a value's start: whether anything could be inside."""


def content_type(headers: tuple[tuple[str, str], ...]) -> str:
    """The Content-Type field's value, or an empty text."""
    for name, value in headers:
        if name.lower() == "content-type":
            return value
    return ""


__all__ = ["Forest", "Limits", "Walk", "Walked", "content_type", "name_of"]
