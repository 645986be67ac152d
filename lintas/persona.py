"""``lintas persona``: whether a persona says what its author meant, and the beginnings of a new one.

Nothing printed here repeats a value: a problem is told by its line and by the name that stands there.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lintas.terminal import emit, fail, guarded, printable

if TYPE_CHECKING:
    from analysis.persona import Persona, Planted
    from analysis.reference import Reference

app = typer.Typer(
    name="persona",
    help="The values that were planted on the phone: check the file that names them, or begin one.",
    no_args_is_help=True,
)

_CLOSE = 0.75
"""Likeness of two names, as difflib counts it, from which on one is suggested for the other."""
_PLACES = frozenset({"gps_precise", "location_coarse"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a persona that its author may not have meant."""

    line: int | None
    """In the file, from 1; None where the reader of the file keeps no line."""
    name: str
    text: str

    def sentence(self) -> str:
        place = "" if self.line is None else f"line {self.line}, "
        return f"{place}{self.name!r} {self.text}"


# ------------------------------------------------------------------------------------------------ checking


def problems(persona: Persona, reference: Reference, country: str | None) -> list[Problem]:
    """What is unlikely to be meant, in the order of the file: names that are no data type, values without the form
    of their type, values that are hardly searched, and names without a value.

    ``country``: ISO 3166 code of the user's country, by which telephone numbers are read."""
    aliases = reference.data_type_aliases()
    listed: list[Problem] = []
    unknown: set[str] = set()
    for planted in persona.values:
        if planted.custom and planted.name not in unknown:
            unknown.add(planted.name)
            listed.append(Problem(planted.line, planted.name, _no_type(planted.name, aliases)))
        texts = (_form_of(planted, country), _strength_of(planted, country))
        listed += [Problem(planted.line, planted.name, text) for text in texts if text]
    listed += [Problem(None, name, "has no value: nothing is searched for it") for name in persona.unset]
    return listed


def _no_type(name: str, aliases: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name.lower(), sorted({*aliases, *aliases.values()}), 1, _CLOSE)
    text = "is the name of no data type: its value is searched for and reported under this name"
    return f"{text}; was {near[0]!r} meant?" if near else text


def _forms() -> dict[str, tuple[Callable[[str, str | None], int], str]]:
    """By data type: the check that detection makes too, and the form that it asks for."""
    from analysis.read.detect import checks

    return {
        "email": (checks.email, "a mail address, like sari@example.org"),
        "phone_number": (checks.phone, "a telephone number; write it with its country code, like +62 812 ..."),
        "advertising_id": (checks.uuid_not_zero, "an advertising id: 32 hexadecimal digits in five groups"),
        "imei": (checks.imei, "an IMEI: 15 digits of which the last is the check digit"),
        "payment_card": (checks.pan, "a card number: 12 to 19 digits of which the last is the check digit"),
        "national_id_nik": (checks.nik, "a NIK: 16 digits with a region and a date"),
        "date_of_birth": (checks.birth_date, "a date of birth, like 1988-03-17"),
        "mac_address": (checks.mac48, "a MAC address, like a4:2b:b0:c7:51:9e"),
        "wifi_bssid": (checks.mac48, "a MAC address, like a4:2b:b0:c7:51:9e"),
        "ip_address": (checks.ip, "an IP address"),
    }


def _form_of(planted: Planted, country: str | None) -> str:
    """Why the value has not the form of its type; empty where it has, or where its type has no one form."""
    from analysis import codecs

    value = planted.value.expose().strip()
    if planted.data_type in _PLACES:
        if codecs.coordinate_pair(value) is not None or _is_degrees(value):
            return ""
        if planted.data_type == "location_coarse":
            return ""
        return "is no pair of coordinates, like -6.2146, 106.8277: it is searched for as a text only"
    check, form = _forms().get(planted.data_type, (None, ""))
    if check is None or check(value, country) > 0:
        return ""
    return f"is not {form}"


def _is_degrees(text: str) -> bool:
    try:
        return abs(float(text)) <= 180
    except ValueError:
        return False


def _strength_of(planted: Planted, country: str | None) -> str:
    """Why the value is hardly searched for; empty where it is, and for types of which that is always so."""
    from analysis import codecs
    from analysis.codecs.forms import VOCABULARY_TYPES

    if planted.data_type in VOCABULARY_TYPES or planted.data_type in _PLACES:
        return ""
    every = codecs.needles(planted.value.expose(), planted.data_type, country)
    plain = [needle for needle in every if not needle.via and len(needle.data) >= 3]
    if not plain:
        return "is too short to be searched for"
    if all(needle.whole_leaf_only for needle in plain):
        return "is short or common: it counts only as a whole field under a name that says what it is"
    return ""


@app.command(epilog="Example: lintas persona check me.yaml --user-country ID\n\nExit codes: 0 nothing to mend; 1 told.")
def check(
    file: Annotated[Path, typer.Argument(help="The persona's YAML file.", show_default=False)],
    user_country: Annotated[str | None, typer.Option(help="Country that the user is set up in, like ID.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Say which names are no data type, and which values have not the form of theirs or are hardly searched for."""
    with guarded():
        from analysis.audit import asked_country
        from analysis.persona import load_persona
        from analysis.reference import Reference

        reference = Reference.load()
        country = None if user_country is None else asked_country(user_country, "--user-country")
        persona = load_persona(file, reference.data_type_aliases())
        listed = problems(persona, reference, country)
        if as_json:
            emit({"values": len(persona.values), "problems": [asdict(p) for p in listed]})
        else:
            for problem in listed:
                print(printable(f"{file}: {problem.sentence()}."))
            types = len({p.data_type for p in persona.values})
            print(f"{len(persona.values)} values of {types} data types; {len(listed) or 'none'} to look at.")
        if listed:
            raise SystemExit(1)


# ------------------------------------------------------------------------------------------------ a new one

_ONSETS = "b d f g h j k l m n p r s t v w z br dr kr pr tr".split()
_VOWELS = "a e i o u".split()
_CODAS = "l m n r s".split()

_TEMPLATE = """\
# An invented person, for one test of one app. Type these values into the app, then audit with --persona.
# What stands here was drawn at random; fill in what only you can know, and take out what you do not use.
full_name: {name}
username: {username}
date_of_birth: "{birth}"
message_text: {message}
search_query: {query}

# A mailbox that you can read. A tag behind a plus sign makes the address this test's own:
# email: yourmailbox+{tag}@example.org
# The number of the test SIM, with its country code (never an invented one: it may be somebody's):
# phone_number: "+..."
# Where the phone is, or is made to believe it is:
# gps: "latitude, longitude"
# postal_address:
# What the phone itself shows (lintas phone about, or its settings):
# advertising_id:
# imei:
# What the app shows once you are registered:
# account_id:
"""


def _word(syllables: int) -> str:
    parts = [secrets.choice(_ONSETS) + secrets.choice(_VOWELS) for _ in range(syllables)]
    return "".join(parts) + secrets.choice(_CODAS)


def draft() -> str:
    """A persona with random values that hardly occur by accident, and places for those that cannot be invented.

    A name has six random syllables (over 40 bits); numbers that may belong to somebody are never made."""
    first, last = _word(3).capitalize(), _word(3).capitalize()
    tag = secrets.token_hex(4)
    year, month, day = 1970 + secrets.randbelow(30), 1 + secrets.randbelow(12), 1 + secrets.randbelow(28)
    return _TEMPLATE.format(
        name=f"{first} {last}",
        username=f"{first.lower()}.{tag[:4]}",
        birth=f"{year:04d}-{month:02d}-{day:02d}",
        message=f"is the {_word(2)} {_word(3)} still there",
        query=f"{_word(3)} {_word(2)}",
        tag=tag,
    )


@app.command(epilog="Example: lintas persona new me.yaml")
def new(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.", show_default=False)],
) -> None:
    """Write a persona with values drawn at random, for its owner alone, and places for those that you fill in."""
    with guarded():
        import os

        try:
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                out.write(draft())
        except FileExistsError:
            fail(f"{file} is there already; name another file, or look at it with lintas persona check {file}.")
        except OSError as error:
            fail(f"{file} cannot be written ({error.strerror}); name another file.")
        print(printable(file))


def notes(place: Path | None, reference: Reference, country: str | None) -> list[str]:
    """The problems of a persona as sentences for whoever starts an audit; none where there is no persona.
    Raises InputError as :func:`analysis.persona.load_persona` does."""
    from analysis.persona import load_persona

    if place is None:
        return []
    persona = load_persona(place, reference.data_type_aliases())
    return [f"persona {place}: {problem.sentence()}" for problem in problems(persona, reference, country)]
