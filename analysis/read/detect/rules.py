"""Which data types a key can mean, under which conditions, and which check its value has to pass.

The keys themselves stand in ``data_types.yaml``; every one of them that is not named here counts wherever it stands,
with the check of its type. Named here are the keys that mean several things (``name``, ``id``, ``code``, ``token``,
``lat``, ``limit`` ...), the checks of single keys where the type's own is not right, and spellings that the list
lacks. A condition is a word of ``context.py``: ``person`` holds when the parent, a neighbour or the request's path
says so; ``@person`` the parent only; ``~person`` a neighbour only; ``>person`` the request's path only; several are
alternatives, ``a&b`` both. ``!thing``: never where the parent says ``thing``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from analysis.read.detect import checks
from analysis.read.detect.checks import Check
from analysis.read.detect.context import joined, words


@dataclass(frozen=True, slots=True)
class Rule:
    """One meaning of a key."""

    data_type: str
    check: str
    """Name of the value check in ``CHECKS``; ``lat``, ``lon``, ``pair``, ``link`` and ``list`` are judged apart."""
    need: tuple[tuple[str, ...], ...] = ()
    """Alternatives, each a conjunction of conditions; empty: none needed."""
    avoid: frozenset[str] = frozenset()


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
    "phone": checks.phone,
    "address": checks.address_text,
    "place": checks.place_name,
    "postcode": checks.postal_code,
    "words": checks.free_word,
    "proper": checks.proper_place,
    "uuid": checks.uuid_not_zero,
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
display_name nickname nick nick_name: full_name name !thing !device !event
contact_name: full_name name
given_name family_name surname middle_name: full_name name
nama_depan nama_belakang nama_penerima recipient_name receiver_name: full_name name
customer_name buyer_name cardholder_name: full_name name
card_holder_name account_holder_name legal_name passenger_name: full_name name
user_fullname nama_ibu mother_name: full_name name
screen_name unique_id login account handle: username handle person auth !thing !device !event
nama_pengguna login_name user_handle: username handle
alias identity: account_id opaque person !thing !device !event
uid: account_id opaque !thing !device !push
userid user_uuid customer_id account_id member_no nasabah_id user_unique_id account_uuid: account_id opaque
id uuid: account_id opaque @person
id uuid guid: vendor_device_id long_id @device
uuid guid: install_id uuid ~device
external_id: account_id opaque @person @ud
db: date_of_birth date @ud
age: date_of_birth age person !thing !device
yob birth_year user_age: date_of_birth age
birth_day: date_of_birth date
ge: gender gender @ud
race: ethnicity word person !thing
belief faith: religion religion person
interested_in: sexual_orientation gender person
party: political_opinion word @none
conviction: criminal_record word @none
agama religion: religion religion
national_id identity_number id_card_number no_ktp ktp_number nik nomor_ktp no_nik ktp: national_id_nik nik
identity_number id_card_number national_id: government_id_other gov
passport_number nomor_paspor tax_number sim_license social_security_number: government_id_other gov
license_no: government_id_other gov person
em: email email
em: email_hash digest
ph: phone_number phone
ph: phone_hash digest @ud
mail: email email
phone_no mobile_number mobile_phone telephone telp no_telp: phone_number phone
nomor_telepon nomor_hp nohp hp handphone whatsapp: phone_number phone
whatsapp_number wa_number contact_number no_wa nomor_wa: phone_number phone
telepon phone1 phone2 phonenum home_phone work_phone: phone_number phone
street alamat street_address address_line1 address_line_1 address1 full_address alamat_lengkap: postal_address words
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
province provinsi: location_coarse place !thing
country country_code country_iso: country_region country !thing
sim_country network_country sim_country_iso network_country_iso: country_region country !thing
residence: country_region country
nationality citizenship kewarganegaraan passport_country: nationality country
operator carrier_name: carrier carrier device cell geo !pay
carrier: carrier carrier !pay !address !thing
isp isp_name network_operator_name sim_operator_name carrier_name: carrier carrier
mcc: carrier mcc
mnc: carrier mnc ~cell
carrier_region: country_region country
lat latitude: gps_precise lat
lng lon longitude: gps_precise lon
long: gps_precise lon ~geo
loc location geo gps coordinates latlng: gps_precise pair
x_location m_location lat_lng geolocation position coordinate lat_long: gps_precise pair
lat_coarse lon_coarse: location_coarse coarse
ad_id: advertising_id uuid @device
ad_id: ad_data any !device
adid: advertising_id uuid
idfa ifa gaid rdid madid maid aaid aifa: advertising_id uuid
android_advertising_id: advertising_id uuid
asid: vendor_id uuid16
android_id androidid ssaid idfv ifv identifier_for_vendor: vendor_id uuid16
openudid: vendor_id uuid16
serial sn: serial_number serial device
mac: wifi_bssid mac @wifi
mac wifi_mac bt_mac eth_mac bluetooth_address mac_address mc: mac_address mac
mac_sha1 mac_md5: mac_address digest
fid: install_id fid
iid tdid cdid: install_id long_id
hardware_id install_id: install_id long_id
anonymous_id: install_id long_id
did gid regid umid: vendor_device_id long_id !thing !cookie
ssid: wifi_ssid ssid !cookie
registration_id: push_token fcm
registration_id: vendor_device_id long_id
device_id deviceid device_id_str device_uuid device_udid udid: vendor_device_id device_id
fp fingerprint canvas_fp: device_fingerprint blob !thing
webid ttwid: device_fingerprint long_id
cid: push_token push @push
cid ci cgi: cell_tower cell ~cell
lac tac cell_id cellid: cell_tower cell cell
clientid: push_token push @push
identifier: push_token fcm
device_token: push_token push
registration_token notification_token fcm_registration_id apns_device_token: push_token push
ip: ip_address ip
wifi_list scan_results wifi_scan: wifi_bssid mac
token: push_token push @push
token: session_token token auth person !push
session session_id sessionid: session_token token @auth @cookie
cookie: session_token none @none
sid phpsessid jsessionid connect_sid: session_token token @cookie
asp_net_session_id laravel_session auth_token remember_token csrf_session: session_token token @cookie
authorization proxy_authorization x_auth_token x_access_token: session_token authorization
id_token auth_token session_token bearer_token user_token api_session: session_token token
code: otp otp ~otp&otp >otp
pin: password pin person auth pay !geo !thing
passcode: password pin
pass sandi: password any person auth
password passwd pwd kata_sandi new_password old_password current_password: password password
kode_otp otp_code one_time_code sms_code verification_code verify_code otp: otp otp
account_no account_number: bank_account bank
wallet_id ewallet: bank_account long_id
no_rekening nomor_rekening va_number bank_account: bank_account bank
pan: payment_card pan
card_number card_no cc_number credit_card_number nomor_kartu card: payment_card pan
order_id transaction_id order_no order_number: purchase_history order
revenue purchase: purchase_history number
price currency amount total: purchase_history order ~order
items cart checkout orders: purchase_history none @none
fb_content_id: purchase_history any
value_to_sum: purchase_history number
limit loan debt: credit_income number @credit
income salary gaji credit_score paylater_limit: credit_income number
period cycle weight symptom: health number_or_words health
heart_rate blood_pressure bmi: health number_or_words
diagnosis medication pregnancy: health number_or_words
distance sleep steps calories: fitness number fitness health
step_count: fitness number
workout activity_type: fitness word fitness device health
landmark: biometric blob face
message msg text body content comment chat dm im_content: messages sentence >message @message
clipboard pasteboard clip_text clipboard_content: clipboard any
q query search kw wd: search_query phrase >search
keyword search_keyword search_term search_query fb_search_string kata_kunci: search_query phrase
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
timezone tz tz_name timezone_name timezone_id time_zone: locale_timezone timezone
tz_offset timezone_offset utc_offset: locale_timezone timezone
exception crash anr: crash_data trace
stacktrace stack_trace backtrace: crash_data trace
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
    salary income ssn passport keyword""".split()
)
"""Keys that keep their meaning with a word before them (``user_email``, ``deviceImei``, ``x-forwarded-email``)."""

_SPOILERS = frozenset(
    """is has no not accept content verify verified hide hidden show require required enable enabled allow
    allowed min max num count total default supported support company business cs service need send use can
    should validate valid invalid check update change reset forgot agree with without type status hash
    hashed sha256 md5 sha1 encrypted masked template host event screen page app product item file class
    method function bundle package domain schema table column param campaign font api sdk lib library
    network server error test category brand store shop merchant action module variant experiment feature
    process thread query operation button element view form field label rule style theme""".split()
)
"""Words before a key that make it something else (``is_email``, ``support_phone``, ``event_name``)."""

_PERSON_WORDS = frozenset(
    """user customer buyer recipient receiver sender passenger patient owner contact billing shipping account profile
    member person real given family first last middle full mother father guest cardholder holder payer legal author
    penerima pengguna pelanggan pemesan""".split()
)

_FORE = frozenset("x my the str s p f m a tt af key in os current cur req".split())
"""Words that senders put before any key."""


@dataclass(slots=True)
class RuleBook:
    """All keys of the reference data with their rules; built once."""

    by_key: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    """Keys whose value is a list, by normal form: the type that the list as a whole would be."""

    @classmethod
    def build(cls, types: Iterable[tuple[str, str, Iterable[str]]]) -> RuleBook:
        """``types``: id, validator and keys of each data type."""
        book = cls()
        rules: dict[str, list[Rule]] = {}
        for line in _SPECIAL.strip().splitlines():
            keys, _, rest = line.partition(": ")
            parts = rest.split()
            need = tuple(tuple(p.split("&")) for p in parts[2:] if not p.startswith("!"))
            avoid = frozenset(p[1:] for p in parts[2:] if p.startswith("!"))
            for key in keys.split():
                rules.setdefault(joined(key), []).append(Rule(parts[0], parts[1], need, avoid))
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
                        have.append(Rule(data_type, check))
            if data_type == "biometric":
                book.lists |= {joined(key): data_type for key in listed}
        for form in ("stacktrace", "frames", "breadcrumbs", "exception", "exceptions", "threads"):
            book.lists.setdefault(form, "crash_data")
        book.lists = {k: v for k, v in book.lists.items() if v in known}
        book.by_key = {
            key: tuple(r for r in found if r.data_type in known and r.check != "none") for key, found in rules.items()
        }
        return book

    def of(self, name: str) -> tuple[Rule, ...]:
        """The rules of a key as it is written: of its normal form; without what senders put before any key; or of
        its last words where those keep their meaning."""
        parts = words(name)
        form = "".join(parts)
        found = self.by_key.get(form)
        if found is None and form and form[-1].isdigit():
            found = self.by_key.get(form.rstrip("0123456789"))
        if found is None and form.endswith("s") and form not in self.lists:
            found = self.by_key.get(form[:-1])
        if found is not None:
            return found
        start = 0
        while start < len(parts) - 1 and parts[start] in _FORE:
            start += 1
            found = self.by_key.get("".join(parts[start:]))
            if found is not None:
                return found
        for cut in range(start + 1, len(parts)):
            rest = "".join(parts[cut:])
            if rest in _DISTINCT and not _SPOILERS & set(parts[start:cut]):
                if rest == "name":
                    if not set(parts[start:cut]) <= _PERSON_WORDS:
                        return ()
                    return (Rule("full_name", "name"),)
                return self.by_key.get(rest, ())
        return ()


_NAMED = frozenset(joined(k) for line in _SPECIAL.strip().splitlines() for k in line.partition(": ")[0].split())
