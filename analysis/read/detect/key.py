"""Keys: what a field's name and surroundings say it is, where its value bears that out.

A key list is a guess that the value check confirms: certainty is medium where the check is strong (a check digit, a
registry, a closed form), low where it only does not speak against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from analysis.model import Certainty
from analysis.read.decode.leaves import LITERAL, Container, Index, Layer, Leaf, Node
from analysis.read.detect import checks
from analysis.read.detect.checks import NO, STRONG, WEAK, Check
from analysis.read.detect.context import OTHERS, categories, joined, names_maker, neighbours, owner, subject, targets
from analysis.read.detect.found import Found, value_of
from analysis.read.detect.rules import CHECKS, Rule, RuleBook

_LONGEST = 8_192
"""Characters of a value that is checked; longer ones are bodies of their own."""
_GENERIC = frozenset(
    {"username", "account_id", "full_name", "install_id", "vendor_device_id", "messages", "search_query"}
)
"""Types of which a value's own strong shape knows better: a mail address is one, also where it is the user name."""
_OF_NO_SESSION = re.compile(
    r"aws|hmac|sign|sha-?\d|md5|client|key|mac\Z|app|oss\Z|acs|tc3|dsn|credential|digest|publi|license|sdk",
    re.IGNORECASE,
)
"""Schemes of credentials by which a request is signed (AWS4-HMAC-SHA256, HMAC, Signature, Digest) or an app named
(Client-ID, ApiKey): nobody has signed in by them."""
_PERSONS_IN_LD = frozenset({"Person", "Patient", "PostalAddress", "GeoCoordinates", "ContactPoint", "Place"})
"""Types of schema.org that are a person, or that belong to what they stand in."""
_OF_A_PERSON = frozenset(
    """full_name username account_id email email_hash phone_number phone_hash postal_address government_id_other
    national_id_nik bank_account gps_precise location_coarse date_of_birth gender""".split()
)
"""Types that say nothing of the user where a shop, a company or its support is the owner of the field."""
_LISTS_OF_ANYTHING = frozenset({"apps", "packages"})
"""Lists that programs have of their own parts and stores of their goods: only what is said of a phone beside one makes
it the phone's."""
_EXAMPLES = tuple("hint placeholder example label sample template format mask pattern regex tooltip help".split())
"""Ends of keys whose value shows how a field is filled in."""
_FORM_ONLY = frozenset({"opaque", "long_id", "device_id", "uuid", "uuid16"})
"""Checks that show an identifier, and not of what: under a key that is itself a guess they prove nothing."""
_OF_A_SUBJECT = frozenset(
    """full_name username account_id date_of_birth gender nationality health fitness religion ethnicity marital_status
    postal_address""".split()
)
"""Types that a record of anything has: of the user only where the request is not about something else."""
_OTHERS = frozenset({"phone_number", "phone_hash", "email", "email_hash", "full_name"})
"""Types that are an address book's content where they stand in one."""


_FOR_THE_ASKER = frozenset({"session_token", "install_id", "vendor_device_id", "advertising_id"})
_OF_THE_ASKER = frozenset(
    {"ip_address", "gps_precise", "location_coarse", "country_region", "locale_timezone", "carrier", "postal_address"}
)


@dataclass(slots=True)
class Meaning:
    """What a node's names can mean: worked out once a node."""

    rules: tuple[Rule, ...]
    name: str
    """The key in normal form."""
    parent: frozenset[str]
    """What the parent's name says; ``query``, ``header``, ``cookie``, ``body`` for the top level."""
    list_type: str | None
    """The type that a list under this key would be."""
    owner: str | None
    """Whose the field is by the names above it and its own: ``person``, ``organisation``, ``thing``; None: they do not
    say."""
    near: bool = field(init=False)
    """What holds depends on the keys beside it."""
    always: dict[frozenset[str], tuple[Rule, ...]] = field(init=False, default_factory=dict)
    """Where it does not: the rules that hold, by what the request's path says."""

    def __post_init__(self) -> None:
        self.near = any(
            r.avoid_near
            or (r.data_type in _OF_A_PERSON | {"health", "fitness"} and self.owner is None)
            or any(c[0] not in "@>" for alternative in r.need for c in alternative)
            for r in self.rules
        )


@dataclass(slots=True)
class Place:
    """Where a message was sent, as far as keys care."""

    host: str
    target: str
    about: frozenset[str] = field(init=False)
    others: bool = field(init=False)
    """The path names what the request is about, and that is no person."""

    def __post_init__(self) -> None:
        self.about = targets(self.host, self.target)
        self.others = subject(self.target) in OTHERS


_SPLIT = re.compile(r"[\[\].:/]+")


class Keys:
    """The detector by keys."""

    def __init__(
        self,
        types: Iterable[tuple[str, str, Iterable[str]]],
        country_codes: frozenset[str],
        country_names: frozenset[str],
        region: str | None,
    ) -> None:
        self._book = RuleBook.build(types)
        self._region = region
        self.near: dict[tuple[Node, tuple[Node, ...]], frozenset[str]] = {}
        """What the keys beside a node say, by the node and all nodes of its object."""
        self.held: dict[tuple[Node, tuple[Node, ...], frozenset[str]], tuple[Rule, ...]] = {}
        """The rules that hold for a node in such company, by what the request's path says."""
        self._last: _Groups | None = None
        self._checks: dict[str, Check] = dict(CHECKS)
        self._apart: dict[str, Callable[[Layer, int, str, Rule, _Groups, Place], Found | None]] = {
            "lat": self._coordinate,
            "lon": self._coordinate,
            "pair": self._pair,
            "coarse": self._coarse,
            "link": self._link,
            "event": self._event,
            "authorization": self._authorization,
        }

        def country(value: str, _: str | None = None) -> int:
            text = value.strip()
            if len(text) in (2, 3):
                return STRONG if text.upper() in country_codes or text.upper() == "UK" else NO
            return WEAK if text.lower() in country_names else NO

        self._checks["country"] = country

    # ----------------------------------------------------------------------------------------- meanings

    def meaning(self, node: Node) -> Meaning:
        """What the names on the way to a node can mean."""
        found: Meaning | None = node.cache
        if found is None:
            found = node.cache = self._meaning(node)
        return found

    def _meaning(self, node: Node) -> Meaning:
        named = node
        while named.is_element and named.parent is not None:
            named = named.parent
        if named.parent is None:
            return Meaning((), "", frozenset(), None, None)
        above = named.parent
        while above.is_element and above.parent is not None:
            above = above.parent
        # Forms and flattened JSON write the path into the key: user[email], device.model.
        parts = [p for p in _SPLIT.split(named.name) if p and not p.isdigit()] or [named.name]
        if len(parts) > 1 and "." in named.name and not categories(parts[-2]):
            # A point stands for any other mark where what is before it holds nothing: postal.code is postal_code.
            parts[-2:] = [f"{parts[-2]}_{parts[-1]}"]
        name = parts[-1]
        if above.parent is None:
            root = above.name.rpartition(".")[2]
            parent = categories(parts[-2]) if len(parts) > 1 else frozenset({root})
        else:
            parent = categories(parts[-2] if len(parts) > 1 else _SPLIT.split(above.name)[-1] or above.name)
        form = joined(name)
        whose = owner([*reversed(parts), *_names_above(above)])
        return Meaning(self._book.of(name), form, parent, self._book.lists.get(form), whose)

    def may_be_somebodys(self, node: Node) -> bool:
        """A shape under this key may be a person's: it is no organisation's, and no example in a form."""
        return self.meaning(node).owner not in OTHERS and not joined(node.name).endswith(_EXAMPLES)

    def types(self, node: Node) -> frozenset[str]:
        """Types that a node's key can mean, whatever the surroundings."""
        meaning = self.meaning(node)
        found = {r.data_type for r in meaning.rules}
        return frozenset(found | ({meaning.list_type} if meaning.list_type else set()))

    # ----------------------------------------------------------------------------------------- detection

    def answered(self, layer: Layer, skip: set[int], place: Place, out: list[Found]) -> None:
        """What keys say of an answer's leaves. An answer is full of other people's and of products' data, and a key
        cannot tell theirs from the user's. So only this counts, and nothing within an array, since a list is of
        others: what a server makes for the one who asks (a token of the session, an identifier of this
        installation or device, which later requests repeat), and the place that it tells beside the address of
        the one who asks."""
        made: list[Found] = []
        self.find(layer, skip, place, made, arrays=False)
        asker = {
            self._group(f.leaf)
            for f in made
            if f.data_type == "ip_address" and f.leaf is not None and f.certainty != "low"
        }
        for one in made:
            leaf = one.leaf
            if leaf is None:
                continue
            if one.data_type in _FOR_THE_ASKER or (one.data_type in _OF_THE_ASKER and self._group(leaf) in asker):
                out.append(one)

    @staticmethod
    def _group(leaf: Leaf | None) -> tuple[Node | None, Index] | None:
        return None if leaf is None else (leaf[0].parent, leaf[1])

    def find(self, layer: Layer, skip: set[int], place: Place, out: list[Found], *, arrays: bool = True) -> list[int]:
        """What keys say of a layer's leaves. Returns the numbers of the leaves of which they say nothing.

        ``arrays``: also of those within arrays."""
        silent: list[int] = []
        if layer.owner is None:
            self._last = None
        own = _Groups(layer)
        meaning = self.meaning
        for number, leaf in enumerate(layer.leaves):
            if leaf[1] and not arrays:
                continue
            node = leaf[0]
            means: Meaning = node.cache or meaning(node)
            if number in skip or leaf[3] - leaf[2] > _LONGEST:
                continue
            if not means.rules:
                if means.list_type is None:
                    silent.append(number)
                else:
                    self._listed(layer, number, means, own, out, silent)
                continue
            if not self._leaf(layer, number, leaf, means, own, place, out):
                silent.append(number)
        for container in layer.containers if arrays else ():
            node = container[0]
            if not node.is_element and (node.cache or meaning(node)).list_type is not None:
                self.list(layer, container, node.cache.list_type, own, out)
        return silent

    def _leaf(
        self, layer: Layer, number: int, leaf: Leaf, means: Meaning, groups: _Groups, place: Place, out: list[Found]
    ) -> bool:
        rules = means.always.get(place.about) if not means.near else groups.rules(number, means, place, self)
        if rules is None:
            rules = means.always[place.about] = self.holding(means, place, frozenset())
        if not rules:
            # A key of contact or name that does not hold is an organisation's: its shape makes it nobody else's.
            return any(not r.need and r.data_type in _OF_A_PERSON for r in means.rules)
        if groups.described(leaf[0]):
            rules = tuple(r for r in rules if r.data_type not in _OF_A_PERSON)
            if not rules:
                return True
        value = value_of(layer, leaf)
        constant = checks.is_constant(value)
        for rule in rules:
            if constant and rule.check not in ("boolean", "gender"):
                return False
            if value in ("true", "false") and rule.check not in ("boolean", "technical"):
                return False
            apart = self._apart.get(rule.check)
            if apart is not None:
                found = apart(layer, number, value, rule, groups, place)
                if found is not None:
                    out.append(found)
                    return True
                continue
            strength = self._checks[rule.check](value, self._region)
            if strength == NO:
                continue
            if rule.data_type in _GENERIC and checks.email(value) == STRONG:
                return False
            if rule.data_type == "email" and means.owner != "person" and checks.of_a_role(value):
                return True
            sure = strength == STRONG and not (rule.guess and rule.check in _FORM_ONLY) and not _is_open(rule)
            if checks.is_sample(value):
                return True
            if (not sure or rule.data_type == "date_of_birth") and self._of_something(
                number, value, means, rule, groups, place
            ):
                return True
            out.append(Found(layer, number, leaf[2], leaf[3], rule.data_type, "key", "medium" if sure else "low"))
            return True
        return False

    def _of_something(self, number: int, value: str, means: Meaning, rule: Rule, groups: _Groups, place: Place) -> bool:
        """A value that proves nothing is the label of its field, or belongs to what the request is about: nobody is
        named above it, and no key that only a person has stands beside it."""
        if joined(value) == means.name:
            return True
        if rule.data_type not in _OF_A_SUBJECT:
            return False
        return names_maker(groups.name(number)) or (
            means.owner is None and place.others and "contact" not in groups.kinds(number, self)
        )

    @staticmethod
    def holding(means: Meaning, place: Place, near: frozenset[str]) -> tuple[Rule, ...]:
        """The rules of a key whose conditions hold. ``near``: what the keys beside it say."""

        others = means.owner in OTHERS or (
            means.owner is None and ("creature" in near or ("organisation" in near and "somebody" not in near))
        )
        return tuple(
            r
            for r in means.rules
            if r.holds(means.parent, near, place.about)
            and not (others and r.data_type in _OF_A_PERSON)
            and not ((means.owner == "thing" or "creature" in near) and r.data_type in ("health", "fitness"))
        )

    def groups_of(self, layer: Layer) -> _Groups:
        """The groups of a layer. Those of the last one are kept: its values are looked at in turn."""
        if self._last is None or self._last.layer is not layer:
            self._last = _Groups(layer)
        return self._last

    def check(self, name: str, value: str) -> int:
        """One value check by its name in the rules."""
        found = self._checks.get(name)
        return WEAK if found is None else found(value, self._region)

    # ---------------------------------------------------------------------------------------- special checks

    def _coordinate(
        self, layer: Layer, number: int, value: str, rule: Rule, groups: _Groups, place: Place
    ) -> Found | None:
        """Latitude or longitude. The two of a place are told by their keys beside one another; where one was
        trimmed of zeros, the other says how exact the place is."""
        most = 90 if rule.check == "lat" else 180
        value = _unscaled(value, rule.scale)
        decimals = checks.degrees(value, most)
        if decimals is None:
            return None
        if "venue" in self.meaning(layer.leaves[number][0]).parent:
            return None
        other = "lon" if rule.check == "lat" else "lat"
        partner = groups.partner(number, other, self)
        precise, position, certainty = decimals, None, "low"
        if partner is not None:
            across = _unscaled(value_of(layer, layer.leaves[partner]), rule.scale)
            beside = checks.degrees(across, 180)
            if beside is None:
                return None
            if checks.near_zero(value, across):
                return None
            precise = max(decimals, beside)
            position = (id(layer), min(number, partner))
            certainty = "medium"
        elif float(value.replace(",", ".")) == 0:
            return None
        if precise < 1:
            return None
        data_type = "gps_precise" if precise >= 3 else "location_coarse"
        leaf = layer.leaves[number]
        made: Certainty = "medium" if certainty == "medium" and precise >= 3 and not _is_open(rule) else "low"
        return Found(layer, number, leaf[2], leaf[3], data_type, "key", made, same=degree(value), position=position)

    def _pair(self, layer: Layer, number: int, value: str, rule: Rule, groups: _Groups, place: Place) -> Found | None:
        """Two coordinates in one text, or the elements of an array of two (GeoJSON has longitude first)."""
        leaf = layer.leaves[number]
        if leaf[0].is_element:
            numbers = groups.elements(number)
            if not 2 <= len(numbers) <= 3 or number not in numbers[:2]:
                return None
            both = [value_of(layer, layer.leaves[n]) for n in numbers[:2]]
            decimals = [checks.degrees(b, 180) for b in both]
            if None in decimals or max(d for d in decimals if d is not None) < 1:
                return None
            if all(abs(float(b.replace(",", "."))) > 90 for b in both) or checks.near_zero(*both):
                return None
            precise = max(d for d in decimals if d is not None)
            data_type = "gps_precise" if precise >= 3 else "location_coarse"
            position = (id(layer), numbers[0])
            # The geometry of a map's feature is the feature's; only a key of its own says that it is the phone's.
            feature = "geometry" in [*_names_above(leaf[0])]
            certainty: Certainty = "medium" if precise >= 3 and not feature else "low"
            return Found(
                layer, number, leaf[2], leaf[3], data_type, "key", certainty, same=degree(value), position=position
            )
        pair = checks.pair(value)
        if pair is None:
            return None
        precise = max(len(p.partition(".")[2]) for p in pair)
        data_type = "gps_precise" if precise >= 3 else "location_coarse"
        certainty = "medium" if precise >= 3 else "low"
        same = f"{degree(pair[0])},{degree(pair[1])}"
        return Found(layer, number, leaf[2], leaf[3], data_type, "key", certainty, same=same)

    def _coarse(self, layer: Layer, number: int, value: str, rule: Rule, groups: _Groups, place: Place) -> Found | None:
        leaf = layer.leaves[number]
        if not checks.degrees(value, 180):
            return None
        return Found(layer, number, leaf[2], leaf[3], rule.data_type, "key", "low", same=degree(value))

    def _link(self, layer: Layer, number: int, value: str, rule: Rule, groups: _Groups, place: Place) -> Found | None:
        """A page of another site than the one that is told of it."""
        leaf = layer.leaves[number]
        found = checks.link(value)
        if found is None or not place.host or not checks.has_public_suffix(found[0]):
            return None
        if checks.site_of(found[0]) == checks.site_of(place.host):
            return None
        return Found(layer, number, leaf[2], leaf[3], rule.data_type, "key", "low")

    def _event(self, layer: Layer, number: int, value: str, rule: Rule, groups: _Groups, place: Place) -> Found | None:
        """The name of an event: a word or some, in a list of events or beside a time."""
        leaf = layer.leaves[number]
        if leaf[4] == LITERAL or not 2 <= len(value) <= 100 or not any(c.isalpha() for c in value) or value[0] in "{[<":
            return None
        in_list = leaf[0].parent is not None and leaf[0].parent.is_element
        named = self.meaning(leaf[0]).name in ("eventname", "customeventname")
        if not (in_list or named or "time" in groups.kinds(number, self)):
            return None
        return Found(layer, number, leaf[2], leaf[3], rule.data_type, "key", "low")

    def _authorization(
        self, layer: Layer, number: int, value: str, rule: Rule, groups: _Groups, place: Place
    ) -> Found | None:
        """RFC 9110 section 11.6.2: a scheme and credentials, or a bare token. Basic credentials are no token: what
        stands in them is read apart."""
        leaf = layer.leaves[number]
        if re.match(r"basic\s", value, re.IGNORECASE):
            return None
        if layer.via[-1:] == ("basic",):
            user, colon, secret = value.partition(":")
            # To the place where tokens are given out a program sends its own name and secret (RFC 6749, 2.3.1).
            if not secret or checks.is_constant(secret) or "client" in place.about:
                return None
            start = leaf[2] + len((user + colon).encode())
            return Found(layer, number, start, leaf[3], "password", "key", "low", whole=False)
        scheme, space, credentials = value.strip().partition(" ")
        if space and _OF_NO_SESSION.search(scheme):
            return None
        strength = checks.token(credentials if space else value)
        if strength == NO:
            return None
        certainty: Certainty = "medium" if strength == STRONG else "low"
        return Found(layer, number, leaf[2], leaf[3], rule.data_type, "key", certainty)

    # ------------------------------------------------------------------------------------------------- lists

    def _listed(
        self, layer: Layer, number: int, means: Meaning, groups: _Groups, out: list[Found], silent: list[int]
    ) -> None:
        """A single value under a key that means a list: a list written as one text."""
        leaf = layer.leaves[number]
        if leaf[0].is_element or leaf[4] == LITERAL:
            return silent.append(number)
        value = value_of(layer, leaf)
        parts = [p for p in re.split(r"[,;|\s]+", value) if p]
        if means.name in _LISTS_OF_ANYTHING and "phone" not in groups.kinds(number, self):
            return silent.append(number)
        if means.list_type is not None and _kind_of_list(means.list_type, parts) is not None:
            out.append(Found(layer, number, leaf[2], leaf[3], means.list_type, "key", "medium"))
            return None
        silent.append(number)
        return None

    def list(self, layer: Layer, container: Container, data_type: str, groups: _Groups, out: list[Found]) -> None:
        """A list as a whole: one find, at the first leaf that makes it one. What is found in an address book by
        keys and shapes is its content and no transmission of its own."""
        node, index, _, _, first, last = container
        means = self.meaning(node)
        if means.name in _LISTS_OF_ANYTHING and "machine" not in means.parent:
            names = {self.meaning(n).name for n in groups.beside(node, index)}
            if "phone" not in neighbours(frozenset(names - {means.name})):
                return
        texts = [value_of(layer, layer.leaves[n]) for n in range(first, min(last, first + 5_000))]
        at = _kind_of_list(data_type, texts)
        if at is None:
            return
        number = first + at
        leaf = layer.leaves[number]
        if data_type == "address_book":
            inner = range(first, last)
            out[:] = [
                f
                for f in out
                if not (f.layer is layer and f.number in inner and f.data_type in _OTHERS and f.method != "planted")
            ]
        out.append(Found(layer, number, leaf[2], leaf[3], data_type, "key", "medium", same=" ".join(texts)[:4096]))


def _is_open(rule: Rule) -> bool:
    """An unknown word before the key says that it is something's: whose, no check of the value tells."""
    return rule.under and rule.data_type in _OF_A_PERSON | {"ip_address"}


def _names_above(node: Node) -> Iterator[str]:
    """The names on the way from a node to the root, which is none."""
    here: Node | None = node
    while here is not None and here.parent is not None:
        if not here.is_element:
            yield from reversed([p for p in _SPLIT.split(here.name) if p and not p.isdigit()])
        here = here.parent


def _kind_of_list(data_type: str, texts: list[str]) -> int | None:
    """Which element first shows that the list is of its type; None: it is not."""
    if data_type == "installed_apps":
        found = checks.packages(texts)
        return found[0] if len({texts[n] for n in found}) >= 3 else None
    if data_type == "address_book":
        found = [
            n
            for n, t in enumerate(texts)
            if not checks.is_constant(t) and (checks.email(t) or checks.phone(t) or checks.digest(t))
        ]
        return found[0] if len(found) >= 2 else None
    if data_type == "social_graph":
        found = [n for n, t in enumerate(texts) if checks.opaque_id(t) and not checks.is_constant(t)]
        return found[0] if len(found) >= 2 else None
    if data_type == "crash_data":
        found = [n for n, t in enumerate(texts[:200]) if checks.stack_trace(t)]
        return found[0] if found else None
    if data_type in ("keystroke_touch", "biometric"):
        found = [n for n, t in enumerate(texts) if re.fullmatch(r"-?\d+\.\d+(?:[eE]-?\d+)?", t.strip())]
        return found[0] if len(found) >= (6 if data_type == "keystroke_touch" else 4) else None
    return None


def _unscaled(text: str, scale: int) -> str:
    """A coordinate in degrees, of a whole number that is 10^``scale`` of them; anything else as it is."""
    if scale and re.fullmatch(r"\s*[+-]?\d{4,11}\s*", text):
        return f"{Decimal(text.strip()).scaleb(-scale):f}"
    return text


def degree(text: str) -> str:
    """A coordinate in one form: a point, no zeros at the end, no plus."""
    plain = text.strip().replace(",", ".").lstrip("+")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


class _Groups:
    """The leaves of one object (or one query, form or header section), found when first asked for."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._groups: dict[tuple[Node | None, Index], list[int]] = {}
        self._boxes: dict[tuple[Node | None, Index], list[Node]] = {}
        self._nodes: dict[tuple[Node | None, Index], tuple[Node, ...]] = {}
        self._described: set[Node | None] | None = None

    @property
    def layer(self) -> Layer:
        """The layer whose groups these are."""
        return self._layer

    def of(self, number: int) -> tuple[tuple[Node | None, Index], list[int]]:
        """The group of a leaf: its key and the numbers of its leaves."""
        self._fill()
        node, index = self._layer.leaves[number][0], self._layer.leaves[number][1]
        key = (node.parent, index[:-1] if node.is_element else index)
        return key, self._groups.get(key, [])

    def _fill(self) -> None:
        groups = self._groups
        if not groups:
            for n, (node, index, _, _, _) in enumerate(self._layer.leaves):
                key = (node.parent, index[:-1] if node.is_element else index)
                group = groups.get(key)
                if group is None:
                    groups[key] = [n]
                else:
                    group.append(n)
            for container in self._layer.containers:
                node, index = container[0], container[1]
                if not node.is_element:
                    self._boxes.setdefault((node.parent, index), []).append(node)

    def name(self, number: int) -> str:
        """The key of a leaf as it is written."""
        return self._layer.leaves[number][0].name

    def nodes(self, number: int, keys: Keys) -> tuple[Node, ...]:
        """The nodes of a leaf's group and of the objects beside it. A value whose escapes were undone stands in a layer
        of its own; beside it is what stands beside the escaped one."""
        layer, at = self._layer, number
        while layer.owner is not None:
            outer, place = layer.owner
            if outer.leaves[place][0] is not layer.leaves[at][0]:
                break
            layer, at = outer, place
        if layer is not self._layer:
            return keys.groups_of(layer).nodes(at, keys)
        key, numbers = self.of(number)
        nodes = self._nodes.get(key)
        if nodes is None:
            leaves = self._layer.leaves
            # More keys than any record has are a map, whose keys say nothing.
            beside = self._boxes.get(key, ())
            nodes = self._nodes[key] = (*[leaves[n][0] for n in numbers[:500]], *beside[:100])
        return nodes

    def beside(self, node: Node, index: Index) -> tuple[Node, ...]:
        """The nodes of the object that a container stands in."""
        self._fill()
        key = (node.parent, index)
        leaves = self._layer.leaves
        return (*[leaves[n][0] for n in self._groups.get(key, ())[:500]], *self._boxes.get(key, ())[:100])

    def described(self, node: Node) -> bool:
        """It stands in an object of JSON-LD that describes something else than a person."""
        if self._described is None:
            layer = self._layer
            self._described = {
                leaf[0].parent
                for leaf in (layer.leaves if b'"@type"' in layer.data else ())
                if leaf[0].name == "@type" and value_of(layer, leaf) not in _PERSONS_IN_LD
            }
        here: Node | None = node
        while self._described and here is not None:
            if here in self._described:
                return True
            here = here.parent
        return False

    def rules(self, number: int, means: Meaning, place: Place, keys: Keys) -> tuple[Rule, ...]:
        """The rules that hold for a leaf beside those of its object."""
        nodes = self.nodes(number, keys)
        mark = (self._layer.leaves[number][0], nodes, place.about)
        found = keys.held.get(mark)
        if found is None:
            if len(keys.held) > 20_000:
                keys.held.clear()
            found = keys.held[mark] = keys.holding(means, place, self.kinds(number, keys))
        return found

    def kinds(self, number: int, keys: Keys) -> frozenset[str]:
        """What the keys beside a leaf, and the names of the objects beside it, say about it."""
        nodes = self.nodes(number, keys)
        own = self._layer.leaves[number][0]
        found = keys.near.get((own, nodes))
        if found is None:
            names = {keys.meaning(n).name for n in nodes}
            if len(keys.near) > 20_000:
                keys.near.clear()
            found = keys.near[(own, nodes)] = neighbours(frozenset(names - {keys.meaning(own).name}))
        return found

    def partner(self, number: int, check: str, keys: Keys) -> int | None:
        """The nearest leaf of the group that a rule with this check knows."""
        _, numbers = self.of(number)
        fitting = [n for n in numbers if any(r.check == check for r in keys.meaning(self._layer.leaves[n][0]).rules)]
        return min(fitting, key=lambda n: abs(n - number), default=None)

    def elements(self, number: int) -> list[int]:
        """The elements of the array that a leaf is one of."""
        return self.of(number)[1]
