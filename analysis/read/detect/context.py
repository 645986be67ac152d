"""What the names around a field say: words of a path, and the company a key keeps.

``name`` under ``user`` is a person's, under ``item`` a product's, under ``device`` a machine's. A key that can mean
several things counts only where its parent, its neighbours or the address of the request say which.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]|\d+|[^\W\d_]+")

_CATEGORIES: dict[str, str] = {
    "person": """user users userinfo profile profiles userprofile account accounts customer customers member members
        person people buyer recipient receiver sender passenger passengers patient traits identity viewer
        author traveler traveller cardholder payer beneficiary consumer owner login signin register
        registration signup auth me self ud userdata student employee applicant borrower participant
        pengguna pelanggan penerima pemesan akun profil nasabah pasien anggota pembeli emergency guardian
        parent spouse""",
    "device": """device devices deviceinfo devicedata dev hardware hw handset client sys system os env environment
        contexts telemetry build header terminal machine platform deviceparams phoneinfo perangkat
        fingerprint""",
    "geo": """geo location locations loc gps coords coord coordinates coordinate position place latlng point
        geolocation geometry lokasi posisi geoip""",
    "address": """address addresses addr shipping billing delivery alamat pengiriman destination shipto billto""",
    "event": "event events view activity page pages screen app apps application batch hits action actions",
    "thing": """item items product products goods sku sdk library plugin campaign campaigns adset ad ads creative
        category categories brand shop store stores merchant outlet file files font metric param params
        parameter experiment experiments bundle package module component thread class method function song
        track artist album movie game level video videos course book hotel flight vehicle car menu food
        restaurant feature features config settings template theme widget button element tab tags tag
        voucher coupon promo banner service server bank currency language variant operation query mutation
        produk barang toko""",
    "venue": """store stores merchant merchants outlet outlets shop shops restaurant restaurants hotel hotels venue
        branch atm seller sellers vendor penjual toko driver courier kurir""",
    "push": "push fcm gcm apns notification notifications messaging",
    "auth": """token tokens auth oauth session login signin credential credentials authentication otp verify
        verification""",
    "pay": """payment payments card order orders checkout cart transaction transactions purchase purchases invoice
        bill billing ecommerce pesanan pembayaran transaksi""",
    "health": "health medical patient vitals body cycle menstrual menstruation pregnancy clinic symptoms kesehatan",
    "fitness": "fitness workout workouts activity exercise sport sports steps health running wellness",
    "cell": "cell cells celltower tower basestation telephony radio cellular gsm lte sim network",
    "wifi": "wifi wlan ap accesspoint scan scanresults wifilist",
    "ud": "ud userdata advancedmatching matching",
    "credit": "credit loan loans paylater debt pinjaman kredit limit income",
    "message": "message messages chat chats conversation im dm inbox comment comments reply pesan",
    "face": "face faces biometric biometrics liveness",
    "ads": "campaign ad ads attribution install",
}
_CATEGORY_OF: dict[str, frozenset[str]] = {}
for _name, _words in _CATEGORIES.items():
    for _word in _words.split():
        _CATEGORY_OF[_word] = _CATEGORY_OF.get(_word, frozenset()) | {_name}

_NEIGHBOURS: dict[str, frozenset[str]] = {
    "person": frozenset(
        """email emailaddress useremail phone phonenumber mobile mobileno nohp nomorhp telepon password passwd
        katasandi birthday birthdate dateofbirth dob tgllahir tanggallahir gender sex jeniskelamin jk
        firstname lastname surname givenname familyname nik noktp username surel address alamat npwp""".split()
    ),
    "device": frozenset(
        """manufacturer osversion osname osver os platform sdkversion sdkint apilevel screenwidth screenheight
        width height dpi density cpuabi abi devicetype devicemodel devicebrand androidid imei serial isrooted
        rooted jailbroken isemulator buildid rom ram diskfree battery batterylevel deviceid idfv idfa gaid
        carrier oaid""".split()
    ),
    "address": frozenset(
        """street address alamat zip zipcode postcode postalcode kodepos addressline1 address1 line1 recipient
        receiver kelurahan kecamatan rt rw district""".split()
    ),
    "geo": frozenset("lat lng lon long latitude longitude accuracy altitude country countrycode".split()),
    "pay": frozenset(
        """orderid transactionid total amount totalamount grandtotal revenue afrevenue invoiceid purchaseid
        paymentmethod checkoutid orderno ordernumber cartid afcurrency""".split()
    ),
    "cell": frozenset("mcc mnc lac tac cid cellid ci mccmnc pci psc earfcn".split()),
    "time": frozenset(
        """time ts timestamp at date created createdat eventtime clienttime localtime occurredat senttime sentat
        t eventts localtimems originaltimestamp clienttimestamp datetime logtime eventtimestamp duration""".split()
    ),
    "order": frozenset(
        "orderid transactionid orderno ordernumber invoiceid revenue afrevenue total grandtotal".split()
    ),
    "health": frozenset(
        "heartrate bloodpressure bmi height bodyfat symptom symptoms ovulation bodytemperature".split()
    ),
    "fitness": frozenset("steps stepcount calories heartrate workout distance pace cadence".split()),
    "auth": frozenset("password passwd username login email granttype refreshtoken".split()),
    "otp": frozenset("phone phonenumber mobile nohp msisdn email otptype purpose verificationid requestid".split()),
}

_TARGETS: dict[str, re.Pattern[str]] = {
    "search": re.compile(r"search|suggest|autocomplete|typeahead|/find\b|cari|pencarian|query"),
    "message": re.compile(
        r"message|/msg|chat|conversation|/im/|/im\b|/dm\b|inbox|comment|reply|pesan|/send\b|kirim|^(?:chat|im|msg|message|messaging|messenger)[.\-]"
    ),
    "otp": re.compile(r"otp|verif|sms|2fa|mfa|one-?time|kode"),
    "auth": re.compile(r"login|signin|sign-in|/auth|oauth|register|signup|sign-up|daftar|masuk|password|session"),
    "person": re.compile(r"register|signup|sign-up|daftar|/profile|/users?\b|/account|/customers?\b|/member|kyc|/me\b"),
    "health": re.compile(r"health|vitals|cycle|pregnan|kesehatan|medical"),
    "fitness": re.compile(r"fitness|workout|steps|activity"),
    "pay": re.compile(r"checkout|payment|/orders?\b|purchase|/pay\b|transaction"),
}


@functools.lru_cache(65_536)
def words(name: str) -> tuple[str, ...]:
    """The words of a key in lower case, whether it is written in camelCase, snake_case, kebab-case or with dots."""
    return tuple(w.lower() for w in _WORDS.findall(name))


def joined(name: str) -> str:
    """A key in normal form: its words without anything between them."""
    return "".join(words(name))


@functools.lru_cache(65_536)
def categories(name: str) -> frozenset[str]:
    """What a name says about that which stands below it."""
    found: frozenset[str] = _CATEGORY_OF.get(joined(name), frozenset())
    if not found:
        for word in words(name):
            found |= _CATEGORY_OF.get(word, frozenset())
    return found


def neighbours(names: frozenset[str]) -> frozenset[str]:
    """What keys in normal form say about those that stand beside them."""
    return frozenset(kind for kind, known in _NEIGHBOURS.items() if known & names)


@functools.lru_cache(4096)
def targets(host: str, target: str) -> frozenset[str]:
    """What a request's host and path (without query) say about its fields."""
    path = host.lower() + unquote(target.partition("?")[0]).lower()
    return frozenset(kind for kind, pattern in _TARGETS.items() if pattern.search(path))
