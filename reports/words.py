"""How a report says things: messages, numbers, times and the names of countries, data types and companies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape

from reports.facts import Company, Facts, Host
from reports.messages import Catalogue
from reports.strings import ascii_host, plain, shown, shown_host
from reports.svg import elide

SHORT = 15
"""Characters of a name in a narrow picture."""
_FORM = re.compile(
    r",?\s+(Inc|LLC|Ltd|Limited|GmbH|AG|SE|S\.?A\.?|K\.K|Pte|Co|Corp|Corporation|B\.?V|N\.?V|plc|Tbk|Oy|AB|A/S|Sdn|Bhd)\b\.?.*$"
)


class Words:
    """The one object through which every module gets its words."""

    def __init__(self, catalogue: Catalogue, facts: Facts) -> None:
        self.t = catalogue
        self.of = catalogue.of
        self.language = catalogue.language
        self.locale = catalogue.locale
        self.facts = facts
        self.reference = facts.reference
        self.country = lru_cache(maxsize=512)(self._country)
        self.type = lru_cache(maxsize=512)(self._type)

    # --------------------------------------------------------------------------------------------- numbers

    def number(self, value: float, digits: int = 0) -> str:
        pattern = "#,##0" + ("." + "#" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self.locale)

    def percent(self, part: float, whole: float) -> str:
        """A share without decimals; one that is neither nothing nor all is never rounded to it."""
        share = part / whole if whole else 0.0
        if 0 < share < 0.01:
            share = 0.01
        elif 0.99 < share < 1:
            share = 0.99
        return format_percent(share, format="#,##0\u00a0%", locale=self.locale)

    def tenths(self, value: float) -> str:
        """With one decimal, whatever it is: for columns of measured times."""
        return format_decimal(value, format="#,##0.0", locale=self.locale)

    def ms(self, value: float, rounded: Callable[[float], int] = round) -> Markup:
        """Milliseconds in tenths. ``rounded``: ``ceil`` for what is said to be at most so many."""
        return self.t("unit.ms", n=escape(self.number(rounded(round(value * 10, 6)) / 10, 1)))

    def km(self, value: float, rounded: Callable[[float], int] = round) -> Markup:
        """Kilometres in three leading digits. ``rounded``: ``ceil`` for what is said to be at most so many, ``floor``
        for at least."""
        step = 10 ** max(len(str(int(value))) - 3, 0)
        return self.t("unit.km", n=escape(self.number(rounded(value / step) * step)))

    def octets(self, value: int) -> Markup:
        for size, unit in ((10**9, "unit.gb"), (10**6, "unit.mb"), (10**3, "unit.kb")):
            if value >= size:
                digits = 0 if value >= 100 * size else 1
                return self.t(unit, n=escape(self.number(value / size, digits)))
        return self.t("unit.bytes", n=value)

    # ----------------------------------------------------------------------------------------------- times

    def day(self, micros: int) -> str:
        return format_date(self.facts.moment(micros).date(), format="long", locale=self.locale)

    def date(self, text: str | None) -> str:
        """A day or month of the reference data; what is no date stays as it is."""
        try:
            return format_date(date.fromisoformat(text or ""), format="medium", locale=self.locale)
        except ValueError:
            return plain(text or "")

    def clock(self, micros: int, seconds: bool = False) -> str:
        pattern = "HH:mm:ss" if seconds else "HH:mm"
        return format_time(self.facts.moment(micros), format=pattern, locale=self.locale)

    def zone(self, micros: int) -> str:
        """The abbreviation of the time zone, or its offset."""
        name = self.facts.moment(micros).tzname() or ""
        return name if name.isalpha() else format_datetime(self.facts.moment(micros), format="O", locale=self.locale)

    # ----------------------------------------------------------------------------------------------- lists

    def list(self, items: Iterable[Any], kind: str = "standard") -> Markup:
        """Items joined as the language does it. ``kind``: ``standard`` (and) or ``or``."""
        parts = [escape(i) for i in items]
        if len(parts) < 2:
            return parts[0] if parts else Markup("")
        patterns = self.locale.list_patterns[kind]
        if len(parts) == 2:
            return Markup(patterns["2"]).format(*parts)  # noqa: S704 - CLDR's pattern
        made = Markup(patterns["start"]).format(parts[0], parts[1])  # noqa: S704 - CLDR's pattern
        for part in parts[2:-1]:
            made = Markup(patterns["middle"]).format(made, part)  # noqa: S704 - CLDR's pattern
        return Markup(patterns["end"]).format(made, parts[-1])  # noqa: S704 - CLDR's pattern

    def few(self, items: Sequence[Any], most: int = 3) -> Markup:
        """The first items and how many more there are."""
        if len(items) <= most:
            return Markup(", ").join(escape(i) for i in items)
        return (
            Markup(", ").join(escape(i) for i in items[:most]) + Markup(" ") + self.t("list.more", n=len(items) - most)
        )

    # ----------------------------------------------------------------------------------------------- names

    def _country(self, code: str | None) -> Markup:
        """The name of an area by its ISO 3166 code."""
        if code is None:
            return self.t("not_known")
        record = self.reference.countries.get(code)
        name = getattr(record, self.language, None) if record is not None else None
        name = name if isinstance(name, str) else self.locale.territories.get(code)
        return escape(name) if name else shown(code)

    def the_country(self, code: str) -> Markup:
        """The name as it stands within a sentence, with the article where the language has one."""
        key = f"country.within.{code}"
        return self.t(key) if key in self.t else self.country(code)

    def _type(self, data_type: str) -> Markup:
        """The label of a data type; the persona's own names are the auditor's, so they stand as strings."""
        record = self.reference.data_types.get(data_type)
        if record is None:
            return shown(data_type, breaks="_")
        return escape(getattr(record, f"label_{self.language}", record.label_en))

    def type_short(self, data_type: str, most: int = SHORT) -> str:
        """The label where it fits, else the short form, else as much of it as fits."""
        record = self.reference.data_types.get(data_type)
        if record is None:
            return elide(plain(data_type), most)
        label = str(getattr(record, f"label_{self.language}", record.label_en))
        short = getattr(record, f"short_{self.language}", None)
        return _cut(label if len(label) <= most or not short else str(short), most)

    def company(self, company: Company) -> Markup:
        return escape(plain(company.name)) if company.id is not None else self.t("company.unknown")

    def company_short(self, company: Company, most: int = SHORT) -> str:
        if company.id is None:
            return _cut(str(self.t("company.unknown").striptags()), most)
        record = self.reference.operators.get(company.id)
        if record is not None and record.name == company.name and record.short:
            return record.short
        return _cut(_FORM.sub("", plain(company.name)), most)

    def country_short(self, code: str, most: int = SHORT) -> str:
        key = f"country.short.{code}"
        return str(self.t(key)) if key in self.t else _cut(str(self.country(code).striptags()), most)

    def phase(self, name: str) -> Markup:
        """A phase with a fixed meaning by its label; a mark of the auditor's own as a string."""
        key = f"phase.{name}"
        return self.t(key) if key in self.t else shown(name)

    def host(self, host: Host) -> Markup:
        if not host.name:
            return self.t("host.unknown")
        return shown_host(host.row["host"]) if host.row["host"] else shown(host.row["address"], breaks=".:")

    def host_plain(self, host: Host, most: int) -> str:
        """For a picture: ASCII, cut in the middle."""
        return elide(ascii_host(host.name), most) if host.name else str(self.t("host.unknown"))


def _cut(name: str, most: int) -> str:
    """A name at a word's end, so that it fits."""
    if len(name) <= most:
        return name
    head = re.split(r"\s*\(", name)[0]
    if len(head) <= most:
        return head
    words = head[:most].rsplit(" ", 1)[0].rstrip(" ,;")
    return (words if len(words) > most // 2 else head[: most - 1]) + "…"
