"""Which data types a key can mean, under which conditions, and which check its value has to pass.

The keys themselves stand in ``data_types.yaml``; every one of them that is not named here counts wherever it stands,
with the check of its type. Named here are the keys that mean several things (``name``, ``id``, ``code``, ``token``,
``lat``, ``limit`` ...), the checks of single keys where the type's own is not right, and spellings that the list
lacks. A condition is a word of ``context.py``: ``person`` holds when the parent, a neighbour or the request's path
says so; ``@person`` the parent only; ``~person`` a neighbour only; ``>person`` the request's path only; several are
alternatives, ``a&b`` both. ``!thing``: never where the parent says ``thing``; ``!~time``: never beside a key that says
``time``; ``!>project``: never in a request about one.

Lines for one key are tried in their order. A line that the lines above it leave nothing to is refused when the lists
are loaded (:func:`shadows`): nobody would notice that it never counts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.model import InputError
from analysis.read.detect import checks
from analysis.read.detect.checks import Check
from analysis.read.detect.context import OTHERS, joined, owner, words


@dataclass(frozen=True, slots=True)
class Rule:
    """One meaning of a key."""

    data_type: str
    check: str
    """Name of the value check in ``CHECKS``; ``lat``, ``lon``, ``pair``, ``link`` and ``list`` are judged apart."""
    need: tuple[tuple[str, ...], ...] = ()
    """Alternatives, each a conjunction of conditions; empty: none needed."""
    avoid: frozenset[str] = frozenset()
    """What the parent may not say."""
    avoid_near: frozenset[str] = frozenset()
    """What no key beside it may say."""
    avoid_about: frozenset[str] = frozenset()
    """What the request's host and path may not say."""
    scale: int = 0
    """The power of ten by which a coordinate is multiplied under this key."""
    under: bool = False
    """The key has a word before it that is neither a person's nor the phone's: whose it is remains open."""
    line: str = field(default="", compare=False)
    """Where the rule stands, as a message names it."""

    @property
    def guess(self) -> bool:
        """What the key means hangs on more than its parent: company and path are signs, and no proof."""
        return not all(c.startswith("@") for alternative in self.need for c in alternative)

    def holds(self, parent: frozenset[str], near: frozenset[str], about: frozenset[str]) -> bool:
        """Its conditions hold under this parent, beside these keys, in a request about this."""
        if self.avoid & parent or self.avoid_near & near or self.avoid_about & about:
            return False

        def holds(condition: str) -> bool:
            sign, word = condition[0], condition.lstrip("@~>")
            return (
                (sign not in "~>" and word in parent)
                or (sign not in "@~" and word in about)
                or (sign not in "@>" and word in near)
            )

        return not self.need or any(all(map(holds, alternative)) for alternative in self.need)


CHECKS: dict[str, Check] = {
    "any": checks.any_value,
    "opaque": checks.opaque_id,
    "long_id": checks.long_id,
    "name": checks.person_name,
    "handle": checks.handle,
    "date": checks.birth_date,
    "age": checks.age,
    "gender": checks.gender,
    "marital": checks.marital_status,
    "religion": checks.religion,
    "word": checks.free_word,
    "number": checks.number,
    "number_or_words": checks.number_or_words,
    "boolean": checks.boolean,
    "nik": checks.nik,
    "gov": checks.government_id,
    "email": checks.email,
    "digest": checks.digest,
    "hashed": checks.hashed,
    "family_card": checks.family_card,
    "phone": checks.phone,
    "address": checks.address_text,
    "place": checks.place_name,
    "postcode": checks.postal_code,
    "words": checks.free_word,
    "proper": checks.proper_place,
    "uuid": checks.uuid_not_zero,
    "dashed": checks.uuid_text,
    "oaid": checks.oaid,
    "uuid16": checks.uuid_or_hex16,
    "imei": checks.imei,
    "imsi": checks.imsi,
    "iccid": checks.iccid,
    "serial": checks.serial,
    "mac": checks.mac48,
    "mac_or_digest": checks.mac_or_digest,
    "push": checks.push_token,
    "fcm": checks.fcm_or_apns,
    "blob": checks.entropy_blob,
    "ip": checks.ip,
    "ssid": checks.ssid,
    "carrier": checks.carrier,
    "mcc_mnc": checks.mcc_mnc,
    "mcc": checks.mcc,
    "mnc": checks.mnc,
    "cell": checks.cell_number,
    "pan": checks.pan,
    "bank": checks.bank_account,
    "order": checks.money_or_order,
    "sentence": checks.sentence,
    "typed": checks.typed,
    "ssn": checks.ssn,
    "variant": checks.gene_variant,
    "phrase": checks.phrase,
    "trace": checks.stack_trace,
    "technical": checks.technical,
    "language": checks.language,
    "timezone": checks.timezone,
    "locale": checks.locale_or_zone,
    "token": checks.token,
    "otp": checks.otp,
    "fid": checks.firebase_id,
    "device_id": checks.device_id,
    "password": checks.password,
    "pin": checks.pin,
}

_OF_TYPE = {
    "full_name": "name",
    "username": "handle",
    "account_id": "opaque",
    "date_of_birth": "date",
    "gender": "gender",
    "nationality": "country",
    "marital_status": "marital",
    "religion": "religion",
    "ethnicity": "word",
    "political_opinion": "word",
    "sexual_orientation": "word",
    "criminal_record": "number_or_words",
    "national_id_nik": "nik",
    "government_id_other": "gov",
    "email": "email",
    "email_hash": "digest",
    "phone_number": "phone",
    "phone_hash": "digest",
    "postal_address": "address",
    "address_book": "list",
    "social_graph": "list",
    "advertising_id": "uuid",
    "oaid": "oaid",
    "vendor_id": "uuid16",
    "imei": "imei",
    "imsi": "imsi",
    "iccid": "iccid",
    "serial_number": "serial",
    "mac_address": "mac",
    "install_id": "opaque",
    "vendor_device_id": "opaque",
    "device_fingerprint": "blob",
    "push_token": "push",
    "ip_address": "ip",
    "wifi_ssid": "ssid",
    "wifi_bssid": "mac",
    "cell_tower": "cell",
    "carrier": "carrier",
    "gps_precise": "pair",
    "location_coarse": "place",
    "country_region": "country",
    "payment_card": "pan",
    "bank_account": "bank",
    "purchase_history": "order",
    "credit_income": "number",
    "health": "number_or_words",
    "fitness": "number",
    "biometric": "blob",
    "genetic": "word",
    "photo_video": "list",
    "audio": "list",
    "messages": "sentence",
    "clipboard": "any",
    "calendar_files": "list",
    "search_query": "phrase",
    "browsing_history": "link",
    "app_interaction": "number_or_words",
    "installed_apps": "list",
    "keystroke_touch": "list",
    "ad_data": "any",
    "password": "any",
    "session_token": "token",
    "otp": "otp",
    "child_flag": "boolean",
    "device_profile": "technical",
    "locale_timezone": "locale",
    "crash_data": "trace",
}
"""The check of a type's keys, where nothing below says otherwise."""

_OF_VALIDATOR = {
    "uuid_not_zero": "uuid",
    "uuid_or_hex16": "uuid16",
    "oaid": "oaid",
    "imei": "imei",
    "imsi": "imsi",
    "iccid": "iccid",
    "e164": "phone",
    "email": "email",
    "mac48": "mac",
    "nik": "nik",
    "id_number": "gov",
    "pan_luhn": "pan",
    "iban_or_key": "bank",
    "ip": "ip",
    "iso_country": "country",
    "locale_tz": "locale",
    "date": "date",
    "mcc_mnc": "carrier",
    "otp": "otp",
    "token": "token",
    "push_token": "push",
    "opaque_id": "opaque",
    "entropy_blob": "blob",
    "boolean": "boolean",
    "stack_trace": "trace",
    "order": "order",
    "cell": "cell",
    "url_third_party": "link",
    "digest_of_persona": "digest",
    "persona_or_key": "any",
    "key_only": "any",
    "closed_set": "word",
}
"""The check of a type that only the user's own reference data know, by the validator it names."""


def default_check(data_type: str, validator: str) -> str:
    """The name of the check that values of a type have to pass."""
    return _OF_TYPE.get(data_type) or _OF_VALIDATOR.get(validator, "any")


_SPECIAL = """
name: full_name name person @message !thing !device !event
nama: full_name name person @message !thing !device !event
fn ln: full_name name @ud
fn ln: full_name hashed @ud
sha256_first_name sha256_last_name hashed_first_name hashed_last_name: full_name hashed
display_name: full_name name !thing !device !event !~place !~goods
full_name: full_name name !thing !~goods
nickname nick: full_name name @human @ud >person >auth ~self !thing !device !event !~goods
nome_cognome nombre_completo nome_completo nom_complet: full_name name
contact_name: full_name name
given_name family_name surname middle_name: full_name name
nama_depan nama_belakang nama_penerima recipient_name receiver_name: full_name name
customer_name buyer_name cardholder_name: full_name name
account_holder_name legal_name passenger_name: full_name name
user_fullname nama_ibu mother_name: full_name name
screen_name unique_id login account handle: username handle person auth !thing !device !event !~project
username: username handle !thing !~service
nama_pengguna login_name user_handle: username handle
alias identity: account_id opaque person !thing !device !event
uid: account_id opaque @human
uid: account_id opaque @cookie @ud ~hit >person >auth >pay ~self !thing !device !push !event !~project
userid user_uuid customer_id nasabah_id user_unique_id: account_id opaque
account_id account_uuid: account_id opaque @human @cookie >person >auth >pay ~self !~project
member_id member_no profile_id: account_id opaque @human @cookie >person >auth >pay ~self !~project
id uuid: account_id opaque @human
id uuid guid: vendor_device_id long_id @machine
uuid guid: install_id uuid ~device !event !~event !~time !~crash
external_id: account_id opaque @human @ud
db: date_of_birth date @ud
db: date_of_birth hashed @ud
geboortedatum geburtsdatum fecha_nacimiento fecha_de_nacimiento data_nascita data_di_nascita: date_of_birth date
data_nascimento data_de_nascimento date_naissance date_de_naissance dogum_tarihi data_urodzenia: date_of_birth date
fodelsedatum fodselsdato: date_of_birth date
age: date_of_birth age person !thing !device
user_age: date_of_birth age
yob birth_year: date_of_birth age @human @ud >person >auth ~self !thing
birth_day: date_of_birth date @human @ud >person >auth ~self !thing
gender sex: gender gender @human @ud >person >auth ~self !thing !ads
ge: gender gender @ud
ge: gender hashed @ud
race: ethnicity word @human >person ~self !thing
belief faith: religion religion person
interested_in: sexual_orientation gender person
party: political_opinion word @none
conviction: criminal_record word @none
agama religion: religion religion @human @ud >person >auth ~self !thing
national_id identity_number id_card_number no_ktp ktp_number nik nomor_ktp no_nik ktp: national_id_nik nik
identity_number id_card_number national_id: government_id_other gov
ssn: government_id_other ssn
no_kk nomor_kk kk_no kartu_keluarga no_kartu_keluarga nomor_kartu_keluarga: government_id_other family_card
passport_number nomor_paspor tax_number sim_license social_security_number: government_id_other gov
license_no: government_id_other gov person
driver_license_number driving_licence_number drivers_license_number codice_fiscale: government_id_other gov
em: email email
em: email_hash digest @ud ~ud @human ~person
ph: phone_number phone @ud @human ~person
ph: phone_hash digest @ud ~ud
mail: email email
phone_no mobile_number mobile_phone telephone telp no_telp: phone_number phone
nomor_telepon nomor_hp nohp hp handphone whatsapp: phone_number phone
whatsapp_number wa_number contact_number no_wa nomor_wa: phone_number phone
telepon phone1 phone2 phonenum home_phone work_phone: phone_number phone
home_address street alamat street_address address_line1 address1 full_address alamat_lengkap: postal_address words
kelurahan kecamatan desa: postal_address words
zip zip_code postcode postal_code kode_pos pos_code: postal_address postcode !file
ct st zp: postal_address any @ud
city kota: postal_address place address !geo
city kota district province region_name city_name kabupaten: location_coarse place !thing !venue
state: postal_address proper address !geo
state: location_coarse proper geo
area: location_coarse proper geo address
geo_city: location_coarse place
city_code: location_coarse opaque geo
region: country_region country !thing
region: location_coarse proper geo address
provinsi: location_coarse place !thing !venue
country country_code country_iso: country_region country !thing
sim_country network_country sim_country_iso network_country_iso: country_region country !thing
residence: country_region country
passport_country: nationality country
nationality citizenship kewarganegaraan: nationality country @human @ud >person >auth ~self !thing
operator carrier_name: carrier carrier device cell geo !pay
carrier: carrier carrier !pay !address !thing
isp isp_name network_operator_name sim_operator_name carrier_name: carrier carrier
mcc: carrier mcc
mnc: carrier mnc ~cell
carrier_region: country_region country
lat latitude: gps_precise lat !box !~place
lng lon longitude: gps_precise lon !box !~place
long: gps_precise lon ~geo !box !~place
loc location geo gps coordinates latlng: gps_precise pair
x_location m_location geolocation position coordinate lat_long: gps_precise pair
lat_coarse lon_coarse: location_coarse coarse
adid: advertising_id dashed @machine
adid: advertising_id dashed !ads !thing !~creative
adid: ad_data any
idfa ifa gaid rdid madid maid aaid aifa: advertising_id uuid
android_advertising_id: advertising_id uuid
asid: vendor_id uuid16
android_id android_device_id ssaid idfv ifv identifier_for_vendor: vendor_id uuid16
openudid: vendor_id uuid16
serial sn: serial_number serial @machine ~device !event
mac: wifi_bssid mac @wifi
mac_address: wifi_bssid mac @scan
mac wifi_mac bt_mac eth_mac bluetooth_address mac_address mc: mac_address mac
mac_sha1 mac_md5: mac_address digest
fid: install_id fid
iid: install_id long_id @machine ~device !event !thing !ads
tdid cdid: install_id long_id
hardware_id install_id install_uuid installation_id installation_uuid app_installation_id: install_id long_id
app_instance_id: install_id long_id
anonymous_id: install_id long_id
did gid umid: vendor_device_id long_id @machine ~device !thing !cookie
regid: vendor_device_id long_id !thing !cookie
ssid: wifi_ssid ssid !cookie
registration_id: push_token fcm
registration_id: vendor_device_id long_id
device_id device_id_str device_uuid device_udid udid: vendor_device_id device_id
fp fingerprint canvas_fp: device_fingerprint blob !thing !~certificate
webid ttwid: device_fingerprint long_id
cid: push_token push @push
cid ci cgi: cell_tower cell ~cell
lac tac cell_id: cell_tower cell cell
clientid: push_token push @push
identifier: push_token fcm @push ~device >push
device_token: push_token push
registration_token notification_token fcm_registration_id apns_device_token: push_token push
ip: ip_address ip !server
wifi_list scan_results wifi_scan: wifi_bssid mac
token: push_token push @push
token: session_token token @auth @human >auth >person ~login !push !event !~event !ads
session session_id: session_token token @auth @cookie
cookie: session_token none @none
sid phpsessid jsessionid connect_sid: session_token token @cookie
asp_net_session_id laravel_session remember_token: session_token token @cookie
authorization proxy_authorization x_auth_token x_access_token: session_token authorization !>project
id_token auth_token session_token bearer_token user_token api_session: session_token token
access_token: session_token token !>project
code: otp otp ~otp&otp >otp
pin: password pin @auth ~login&>auth ~login&>pay ~login&>person @human !geo !thing !~address !~geo
passcode: password pin @auth ~login >auth @human
pass sandi: password password ~login @auth&>auth
pwd: password password ~login @auth @human >auth >person
password passwd kata_sandi new_password old_password current_password: password password
wachtwoord passwort kennwort contrasena contraseña contrasenia senha mot_de_passe: password password
parola sifre haslo losenord: password password
kode_otp otp_code one_time_code sms_code verification_code verify_code: otp otp
otp: otp otp ~otp ~login >otp >auth >person @auth @human
account_no account_number: bank_account bank
wallet_id ewallet: bank_account long_id
no_rekening nomor_rekening va_number bank_account: bank_account bank
pan: payment_card pan
card_number card_no cc_number credit_card_number nomor_kartu card: payment_card pan
order_id order_no order_number: purchase_history order
transaction_id: purchase_history order pay order ~money !event
revenue purchase: purchase_history number
price currency amount total: purchase_history order ~order
items cart checkout orders: purchase_history none @none
fb_content_id: purchase_history any
value_to_sum: purchase_history number
limit loan debt: credit_income number @credit
credit_score paylater_limit: credit_income number
income salary gaji: credit_income number @human @credit >credit >person ~self ~health
period cycle: health number_or_words health !matter !~bill !>bill
weight: health number health @human ~height&~somebody !matter !thing !~parcel
symptom: health word health @human ~somebody
heart_rate blood_pressure: health number !matter !thing
bmi: health number health fitness @human ~health ~height !matter !thing
blood_glucose blood_sugar: health number !matter !thing
period_start cycle_length: health number_or_words health ~health !matter !thing !~bill !>bill
diagnosis medication pregnancy: health number_or_words !matter !~device !~event
distance sleep steps calories: fitness number fitness health
step_count: fitness number fitness health ~time ~fitness
calories_burned active_calories: fitness number !matter !thing
workout_type: fitness word
workout activity_type: fitness word fitness device health
landmark: biometric blob face
dna snp genome genotype: genetic variant
message msg text body content comment chat dm im_content: messages sentence >message @message
clipboard pasteboard clip_text clipboard_content: clipboard any
q query search kw wd: search_query typed >search
keyword: search_query typed !ads !thing !meta !~creative
keywords: search_query typed >search !ads !thing !meta !~creative
search_keyword search_term search_query fb_search_string kata_kunci: search_query typed
url dl dr: browsing_history link
referer referrer page_url page_referrer: browsing_history link
page_location top_url visited_url landing_page current_url: browsing_history link
event events event_name: app_interaction event
action: app_interaction event ~time
duration: app_interaction number @thing ~time
item_id video_id aweme_id: app_interaction opaque ~time
watch_time play_time session_length time_spent: app_interaction number
enter_from: app_interaction word
attribution: ad_data any ads
campaign adset creative_id click_id: ad_data any
age_gate kids_mode minor_mode is_minor is_child coppa: child_flag boolean
user_mode guardian: child_flag boolean @person
tag_for_child_directed_treatment: child_flag boolean
model brand resolution dpi rom ram battery: device_profile technical device !thing
device_name os_name screen_height battery_level: device_profile technical
language lang app_language device_language system_language ui_language: locale_timezone language
locale user_locale device_locale: locale_timezone language
lc: locale_timezone language
timezone tz tz_name timezone_name timezone_id: locale_timezone timezone
tz_offset timezone_offset utc_offset: locale_timezone timezone
exception crash anr: crash_data trace
stacktrace backtrace: crash_data trace
memory_usage fps launch_time: crash_data number
"""
# ``@none`` never holds: the list has the key, but no condition makes it safe.

_DISTINCT = frozenset(
    """imei imsi iccid meid gaid idfa idfv oaid vaid aaid email surel msisdn latitude longitude ssid bssid
    password passwd npwp birthday birthdate gender username androidid advertisingid advertiserid nik phone
    phonenumber mobileno nohp fullname firstname lastname deviceid userid customerid pushtoken fcmtoken
    sessiontoken accesstoken refreshtoken macaddress ipaddress dateofbirth lat lng lon countrycode country
    locale timezone language cardnumber iban postalcode zipcode otp jwt emailaddress devicetoken installid
    installationid name city streetaddress nationalid serialnumber carrier heartrate referrer religion agama
    salary income ssn passport""".split()
)
"""Keys that keep their meaning with a word before them (``user_email``, ``deviceImei``, ``x-forwarded-email``)."""

_SPOILERS = frozenset(
    """is has no not accept content verify verified hide hidden show require required enable enabled allow
    allowed min max num count total default supported support company business cs service need send use can
    should validate valid invalid check update change reset forgot agree with without type status hash
    hashed sha256 md5 sha1 encrypted masked template host event screen page app product item file class
    method function bundle package domain schema table column param campaign font api sdk lib library
    network server error test category brand store shop merchant action module variant experiment feature
    process thread query operation button element view form field label rule style theme ad ads utm seo
    project partner csrf xsrf parcel battery package request trace span dept department pet voice
    filter audience rollbar""".split()
)
"""Words before a key that make it something else (``is_email``, ``support_phone``, ``event_name``)."""

_PERSON_WORDS = frozenset(
    """user customer buyer recipient receiver sender passenger patient owner contact billing shipping account profile
    member person real given family first last middle full mother father guest cardholder holder payer legal
    penerima pengguna pelanggan pemesan""".split()
)

_FORE = frozenset("x my the str s p f m a tt af key in os current cur req".split())
"""Words that senders put before any key."""


_BEFORE = (
    _FORE
    | _PERSON_WORDS
    | frozenset(
        """users driver rider device phone client login signup new old current last known home work mobile cell primary
    secondary alternate backup recovery registered pickup dropoff origin destination start end from to gps geo location
    loc raw precise android ios advertising delivery forwarded""".split()
    )
)
"""Words before a key that leave it the user's or the phone's."""
_TAILS = frozenset("number num no value input".split())
"""Words behind a key that say no more than that it has a value (``imei_number``)."""


_LOOSE = frozenset("any word words number number_or_words boolean opaque blob technical handle gender".split())
"""Checks that let through what stands under many other keys, too."""
_SHORTEST = 4
"""Letters of a key that says by itself what it means. Shorter ones are abbreviations of many things."""
_SOMEBODY = ("@human", "@ud", "~person")
_COMPANY: dict[str, tuple[str, ...]] = {
    "gender": _SOMEBODY,
    "ethnicity": _SOMEBODY,
    "username": _SOMEBODY,
    "account_id": _SOMEBODY,
    "health": ("health",),
    "fitness": ("fitness", "health"),
    "genetic": ("health", "genes"),
    "biometric": ("@face", "health"),
    "device_fingerprint": ("@machine", "~device"),
    "install_id": ("@machine", "~device"),
    "vendor_device_id": ("@machine", "~device"),
    "password": ("@auth", "~login"),
}
"""What has to stand around a short key with a loose check, by its type."""

_ACCEPTS: dict[str, frozenset[str]] = {
    "any": frozenset(CHECKS) - {"any"},
    "opaque": frozenset({"long_id", "device_id", "uuid"}),
    "device_id": frozenset({"long_id", "uuid"}),
    "number_or_words": frozenset({"number", "word", "words"}),
    "place": frozenset({"proper"}),
    "phrase": frozenset({"typed"}),
    "push": frozenset({"fcm"}),
    "mac_or_digest": frozenset({"mac", "digest"}),
    "locale": frozenset({"language", "timezone"}),
    "word": frozenset({"words"}),
    "words": frozenset({"word"}),
}
"""Which other checks let nothing through that this one does not."""


def shadows(rules: Sequence[Rule]) -> tuple[Rule, Rule] | None:
    """The first rule of one key that those before it leave nothing to, and the one that takes most from it; None where
    each can count. Every combination of what its surroundings can say is tried."""
    for at, later in enumerate(rules):
        before = [r for r in rules[:at] if r.check == later.check or later.check in _ACCEPTS.get(r.check, ())]
        if not before:
            continue
        names = sorted({name for r in (later, *before) for name in _names(r)})
        takes = dict.fromkeys(range(len(before)), 0)
        for held in itertools.product((False, True), repeat=len(names)):
            true = {name for name, is_true in zip(names, held, strict=True) if is_true}
            around = [frozenset(word for sign, word in true if sign == s) for s in "@~>"]
            if not later.holds(*around):
                continue
            taken = [n for n, r in enumerate(before) if r.holds(*around)]
            if not taken:
                break
            for n in taken:
                takes[n] += 1
        else:
            return before[max(takes, key=takes.__getitem__)], later
    return None


def _names(rule: Rule) -> Iterator[tuple[str, str]]:
    """Everything that surroundings can say for or against a rule: a sign and a word each."""
    for condition in itertools.chain.from_iterable(rule.need):
        if condition[0] in "@~>":
            yield condition[0], condition[1:]
        else:
            yield from ((sign, condition) for sign in "@~>")
    yield from (("@", word) for word in rule.avoid)
    yield from (("~", word) for word in rule.avoid_near)
    yield from ((">", word) for word in rule.avoid_about)


def read_lines(text: str) -> dict[str, list[Rule]]:
    """Rules by normal form, of lines as above.

    Raises InputError where a key stands twice in one line in the same normal form."""
    rules: dict[str, list[Rule]] = {}
    for line in text.strip().splitlines():
        keys, _, rest = line.partition(": ")
        parts = rest.split()
        need = tuple(tuple(p.split("&")) for p in parts[2:] if not p.startswith("!"))
        avoid = frozenset(p[1:] for p in parts[2:] if p.startswith("!") and p[1] not in "~>")
        near = frozenset(p[2:] for p in parts[2:] if p.startswith("!~"))
        about = frozenset(p[2:] for p in parts[2:] if p.startswith("!>"))
        for key in keys.split():
            rule = Rule(parts[0], parts[1], need, avoid, near, about, line=f"{key}: {rest}")
            rules.setdefault(joined(key), []).append(rule)
    return rules


def _check_order(rules: Mapping[str, Sequence[Rule]]) -> None:
    """Raises InputError for a line that lines above it leave nothing to."""
    for key, of_key in rules.items():
        pair = shadows(of_key)
        if pair is not None:
            raise InputError(
                f"The key {key!r} never means {pair[1].data_type}: the line '{pair[0].line}' leaves nothing to "
                f"the line '{pair[1].line}'; put the narrower one first, or remove one."
            )


@dataclass(slots=True)
class RuleBook:
    """All keys of the reference data with their rules; built once."""

    by_key: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    """Keys whose value is a list, by normal form: the type that the list as a whole would be."""

    @classmethod
    def build(cls, types: Iterable[tuple[str, str, Iterable[str]]]) -> RuleBook:
        """``types``: id, validator and keys of each data type.

        Raises InputError where a line of the lists could never count, because lines before it take all it could."""
        book = cls()
        rules = read_lines(_SPECIAL)
        known = set()
        for data_type, validator, listed in types:
            known.add(data_type)
            check = default_check(data_type, validator)
            for key in listed:
                form = joined(key)
                if check == "list":
                    book.lists.setdefault(form, data_type)
                elif form not in _NAMED:
                    have = rules.setdefault(form, [])
                    if all(r.data_type != data_type for r in have):
                        line = f"{key}: {data_type} {check} (data_types.yaml)"
                        have.append(Rule(data_type, check, _company(form, data_type, check), line=line))
                elif all(r.data_type != data_type for r in rules[form]):
                    raise InputError(
                        f"The key {key!r} of {data_type} in data_types.yaml never counts: the line "
                        f"'{rules[form][0].line}' says what it means; remove it there, or rename the key."
                    )
            if data_type == "biometric":
                book.lists |= {joined(key): data_type for key in listed}
        for form in ("stacktrace", "frames", "breadcrumbs", "exception", "exceptions", "threads"):
            book.lists.setdefault(form, "crash_data")
        _check_order(rules)
        book.lists = {k: v for k, v in book.lists.items() if v in known}
        book.by_key = {
            key: tuple(r for r in found if r.data_type in known and r.check != "none") for key, found in rules.items()
        }
        return book

    def of(self, name: str) -> tuple[Rule, ...]:
        """The rules of a key as it is written: of its normal form; without what senders put before any key; or of
        its last words where those keep their meaning. A key that means several things has those meanings only as it
        stands: ``ids`` are of others, a ``key_id`` is a key's."""
        parts = words(name)
        form = "".join(parts)
        found = self.by_key.get(form)
        if found is not None:
            return found
        scaled = _SCALED.fullmatch(name)
        if scaled is not None:
            scale = int(scaled["power"] or 6)
            axes = [r for r in self.of(scaled["base"]) if r.check in ("lat", "lon")]
            if axes:
                return tuple(replace(r, scale=scale) for r in axes)
        for other in (form.rstrip("0123456789"), form.removesuffix("s") if form not in self.lists else form):
            found = self.by_key.get(other)
            if found is not None and not _several(found):
                return found
        start = 0
        while start < len(parts) - 1 and parts[start] in _FORE:
            start += 1
            found = self.by_key.get("".join(parts[start:]))
            if found is not None and not _several(found):
                return found
        for cut in range(start + 1, len(parts)):
            rest = "".join(parts[cut:])
            before = parts[start:cut]
            if rest in _DISTINCT and not _SPOILERS & set(before) and owner([" ".join(before)]) not in OTHERS:
                if rest == "name":
                    if not set(before) <= _PERSON_WORDS:
                        return ()
                    return (Rule("full_name", "name"),)
                known = self.by_key.get(rest, ())
                if set(before) <= _BEFORE:
                    return known
                return tuple(replace(r, under=True) for r in known)
        if len(parts) > 1 and parts[-1] in _TAILS:
            known = self.by_key.get("".join(parts[:-1]), ())
            return known if "".join(parts[:-1]) in _DISTINCT and not _several(known) else ()
        return ()


_SCALED = re.compile(
    r"(?P<base>.{0,60}?(?:lat|lng|lon|long|latitude|longitude))[_\-]?(?:(?:x?10?)?[_\-]?e(?P<power>[67])|micro(?:_?deg(?:rees)?)?)",
    re.IGNORECASE,
)
"""A coordinate's key that says it is an integer of 10⁻⁷ degrees or of micro-degrees: ``latitudeE7``, ``lat_e6``."""


def _company(form: str, data_type: str, check: str) -> tuple[tuple[str, ...], ...]:
    """What has to stand around a listed key: nothing, or, of a short one with a loose check, what its type asks for."""
    if len(form) >= _SHORTEST or check not in _LOOSE:
        return ()
    return tuple((condition,) for condition in _COMPANY.get(data_type, ()))


def _several(rules: Sequence[Rule]) -> bool:
    return any(r.need for r in rules)


_NAMED = frozenset(joined(k) for line in _SPECIAL.strip().splitlines() for k in line.partition(": ")[0].split())
