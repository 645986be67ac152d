"""What the names around a field say: words of a path, and the company a key keeps.

``name`` under ``user`` is a person's, under ``item`` a product's, under ``device`` a machine's. A key that can mean
several things counts only where its parent, its neighbours or the address of the request say which.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable
from urllib.parse import unquote

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]|\d+|[^\W\d_]+")

_CATEGORIES: dict[str, str] = {
    "person": """user users userinfo profile profiles userprofile account accounts customer customers member members
        person people buyer recipient receiver sender passenger passengers patient traits identity viewer
        author traveler traveller cardholder payer beneficiary consumer owner login signin register
        registration signup auth me self ud userdata student employee applicant borrower participant
        pengguna pelanggan penerima pemesan akun profil nasabah pasien anggota pembeli emergency guardian
        spouse""",
    "human": """user users userinfo profile profiles userprofile account accounts customer customers member members
        person people buyer recipient receiver sender passenger passengers patient traits viewer author
        traveler traveller cardholder payer beneficiary consumer me self student employee applicant borrower
        participant pengguna pelanggan penerima pemesan akun profil nasabah pasien anggota pembeli""",
    "device": """device devices deviceinfo devicedata dev hardware hw handset client sys system os env environment
        contexts telemetry build header terminal machine platform deviceparams phoneinfo perangkat
        fingerprint""",
    "machine": "device devices deviceinfo devicedata hardware hw handset deviceparams phoneinfo perangkat",
    "geo": """geo location locations loc gps coords coord coordinates coordinate position place latlng point
        geolocation geometry lokasi posisi geoip""",
    "address": """address addresses addr shipping billing delivery alamat pengiriman destination shipto billto""",
    "event": """event events view activity page pages screen app apps application batch hits action actions span spans
        trace traces log logs request message messages impression""",
    "thing": """item items product products goods sku sdk library plugin campaign campaigns adset ad ads creative
        category categories brand shop store stores merchant outlet file files font metric param params
        parameter experiment experiments bundle package module component thread class method function song
        track artist album movie game level video videos course book hotel flight vehicle car menu food
        restaurant feature features config settings template theme widget button element tab tags tag
        voucher coupon promo banner service server bank currency language variant operation query mutation
        produk barang toko article articles post posts meta voice voices character characters avatar pet pets animal
        team club filter filters facet facets""",
    "box": "sw ne nw se southwest northeast northwest southeast bounds bbox boundingbox viewport box min max",
    "matter": """battery baterai parcel parcels shipment shipments package packages cargo freight item items product
        products order orders machine washer washing laundry dryer engine motor tire tyre boiler pump appliance
        vehicle car billing subscription subscriptions plan plans invoice font fonts style css graph edge edges
        node nodes queue job jobs cron schedule timer sensor config settings experiment experiments variant
        variants ranking score scores boost load server servers backend network report reports paket kiriman
        barang produk mesin tagihan langganan device devices hardware system""",
    "server": """server servers gateway gateways relay node nodes edge exit dns resolver proxy vpn stun turn upstream
        router target remote peer""",
    "scan": "accesspoints wifiaccesspoints accesspoint scan scans scanresults wifilist",
    "push": "push fcm gcm apns notification notifications messaging",
    "auth": """token tokens auth oauth session login signin credential credentials authentication otp verify
        verification""",
    "pay": """payment payments card order orders checkout cart transaction transactions purchase purchases invoice
        bill billing ecommerce pesanan pembayaran transaksi""",
    "health": """health healthkit medical patient patients vitals menstrual menstruation period periods cycle cycles
        pregnancy clinic symptoms kesehatan pasien medis kehamilan haid""",
    "genes": "genetic genetics genome genomics dna ancestry genotype genotypes snps alleles genetik",
    "fitness": "fitness workout workouts activity exercise sport sports steps health running wellness",
    "cell": "cell cells celltower tower basestation telephony radio cellular gsm lte sim network",
    "wifi": "wifi wlan ap accesspoint accesspoints wifiaccesspoints scan scanresults wifilist",
    "ud": "ud userdata advancedmatching matching",
    "credit": "credit loan loans paylater debt pinjaman kredit limit income",
    "message": "message messages chat chats conversation im dm inbox comment comments reply pesan",
    "face": "face faces biometric biometrics liveness",
    "ads": """campaign campaigns ad ads adset adgroup advert adverts advertisement creative creatives attribution
        install targeting bid bids imp""",
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
        """manufacturer osversion sdkint apilevel cpuabi devicemodel devicebrand androidid imei serial isrooted rooted
        jailbroken isemulator buildid diskfree batterylevel deviceid idfv idfa gaid oaid""".split()
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
    "self": frozenset(
        """email emailaddress useremail phone phonenumber mobile mobileno nohp nomorhp telepon password passwd katasandi
        birthdate dateofbirth dob tgllahir tanggallahir firstname lastname surname givenname familyname fullname nama
        namalengkap nik noktp username surel npwp cpf userid uid customerid memberid yob pekerjaan occupation
        maritalstatus statusperkawinan deviceid idfa gaid idfv advertisingid androidid accesstoken sessiontoken ifa
        agama jeniskelamin tempatlahir birthplace""".split()
    ),
    "phone": frozenset(
        """device deviceinfo model brand manufacturer fingerprint sensors wifi androidid imei deviceid gaid oaid idfa
        idfv isrooted rooted isemulator emulator jailbroken simoperator osversion userid uid""".split()
    ),
    "service": frozenset("database db dbname host hostname port dsn schema driver".split()),
    "project": frozenset(
        """projectid projectkey apikey appkey trustkey agentid sdkname sdkversion clientname clientversion revision imp
        bidder bidders placementid adunit adunitid banner publisherid siteid tags sizes environment""".split()
    ),
    "place": frozenset(
        """poi poiid poiname poitype stopid stopname stationid stationname venueid venuename placeid placename amenity
        iata icao branchid storeid shopid outletid openinghours kodetoko""".split()
    ),
    "certificate": frozenset(
        """ja3 ja4 cipher ciphersuite certificate cert issuer algorithm commit exception stacktrace culprit level
        pin pins""".split()
    ),
    "crash": frozenset("signal exception crash crashes stacktrace backtrace fatal anr".split()),
    "cell": frozenset("mcc mnc tac cellid mccmnc pci psc earfcn plmn mobilecountrycode mobilenetworkcode".split()),
    "time": frozenset(
        """time ts timestamp at date created createdat eventtime clienttime localtime occurredat senttime sentat
        t eventts localtimems originaltimestamp clienttimestamp datetime logtime eventtimestamp duration""".split()
    ),
    "event": frozenset(
        """event events eventname eventtype eventid messageid requestid traceid spanid parentid level severity logger
        action category properties params payload sequence seq sessionid type logs""".split()
    ),
    "order": frozenset(
        "orderid transactionid orderno ordernumber invoiceid revenue afrevenue total grandtotal".split()
    ),
    "creative": frozenset(
        """campaign campaignid adset adsetid adgroup adgroupid creative creativeid placement placementid advertiser
        advertisement adunit adunitid impressionid bidid lineitemid networkname""".split()
    ),
    "contact": frozenset(
        """email emailaddress useremail phone phonenumber mobile mobileno nohp telepon password passwd
        birthday birthdate
        dateofbirth dob tgllahir nik noktp userid customerid memberid msisdn""".split()
    ),
    "hit": frozenset(),
    "creature": frozenset(
        """breed species pedigree eartag litter sire dam herd bloodline microchip died deathdate dateofdeath
        deceased parish
        raza razza rasse ras""".split()
    ),
    "bill": frozenset(
        """plan planid plantype price currency tier renewal nextcycle billingcycle trialperiod introperiod invoiceid
        subscriptionid autorenew""".split()
    ),
    "money": frozenset("currency price amount revenue total tax affiliation".split()),
    "health": frozenset(
        """heartrate bloodpressure bmi bodyfat symptom symptoms ovulation bodytemperature bloodsugar glucose
        diagnosis medication pregnancy lastperiod periodstart cyclelength bloodglucose beratbadan
        tekanandarah""".split()
    ),
    "height": frozenset("height tinggi tinggibadan".split()),
    "fitness": frozenset(
        """stepcount heartrate heartrateavg workout workouttype cadence vo2max activecalories caloriesburned
        activeminutes""".split()
    ),
    "auth": frozenset("password passwd username login email granttype refreshtoken".split()),
    "login": frozenset(
        """username login email user userid phone phonenumber mobile nohp useremail msisdn surel account accountno
        nik""".split()
    ),
    "otp": frozenset("phone phonenumber mobile nohp msisdn email otptype purpose verificationid requestid".split()),
    "parcel": frozenset(
        """length width panjang lebar courier couriercode awb waybill trackingnumber sku qty quantity dimensions volume
        resi itemcode parcelid shipmentid packageid productid itemid""".split()
    ),
    "organisation": frozenset(
        """shopname storename merchantname sellername companyname businessname vendorname outletname branchname
        namatoko namaperusahaan openinghours openhours businesshours storehours jambuka storetype storecode
        merchantcategory business businesstype authority tender hotline helpline callcenter supportphone
        supportemail customerservice fromaddress""".split()
    ),
    "goods": frozenset(
        """planname productname itemname groupname teamname roomname brandname levelname plan product price sku
        stage""".split()
    ),
    "somebody": frozenset(
        """firstname lastname fullname name nama namalengkap customername recipientname receivername buyername
        gender birthday birthdate dateofbirth dob tgllahir tanggallahir password passwd userid customerid memberid
        username nik noktp recipient namapenerima customer buyer user""".split()
    ),
}
_SEVERAL_OF: dict[str, frozenset[str]] = {
    "hit": frozenset("v tid cid ec ea el ev dl dh dp dt an aid av aiid ul ni sc".split()),
    "device": frozenset(
        """osname osver os platform sdkversion screenwidth screenheight width height dpi density abi devicetype rom ram
        battery carrier model brand""".split()
    ),
}
"""Names that other things have too (a map has width and height): only three of them say what one above says."""
_ENOUGH = 3

_TARGETS: dict[str, frozenset[str]] = {
    "search": frozenset(
        """search suggest suggestion suggestions autocomplete typeahead find cari pencarian query queries cerca ricerca
        buscar busca busqueda suche suchen recherche rechercher zoeken zoek sok szukaj arama ara""".split()
    ),
    "message": frozenset(
        """message messages msg msgs chat chats conversation conversations im dm inbox comment comments reply replies
        pesan send kirim messaging messenger""".split()
    ),
    "otp": frozenset("otp otps verif verify verification sms 2fa mfa onetime kode".split()),
    "auth": frozenset(
        """login signin auth oauth authenticate authentication register registration signup daftar masuk password
        session sessions""".split()
    ),
    "client": frozenset("oauth oauth2 token connect".split()),
    "person": frozenset(
        """register registration signup daftar profile profiles user users account accounts customer customers member
        members kyc me""".split()
    ),
    "health": frozenset(
        """health healthkit medical patient patients menstrual menstruation pregnancy kesehatan kehamilan haid cycle
        cycles""".split()
    ),
    "fitness": frozenset("fitness workout workouts".split()),
    "credit": frozenset("credit loan loans paylater kredit pinjaman underwriting apply application pengajuan".split()),
    "project": frozenset(
        """rollbar contentful mapbox sentry bugsnag datadoghq loggly logz newrelic honeycomb algolia mixpanel segment
        amplitude posthog launchdarkly optimizely storyblok sanity prismic unsplash tmdb themoviedb""".split()
    ),
    "bill": frozenset(
        """subscription subscriptions plan plans billing bill bills tariff tariffs invoice invoices report reports
        statement statements payroll langganan tagihan""".split()
    ),
    "push": frozenset("push notification notifications fcm apns".split()),
    "pay": frozenset("checkout payment payments order orders purchase purchases pay transaction transactions".split()),
}
_TARGET_IS_NOT: dict[str, frozenset[str]] = {
    "health": frozenset(
        """check checks checker probe live liveness ready readiness status ping billing subscription subscriptions plan
        wash laundry battery machine duty""".split()
    ),
    "search": frozenset("research graphql gql dns prometheus promql metrics sql influx loki timeseries".split()),
}
"""Words of a path beside which another word means something else: a health check is of a server."""
_JOINED = {("sign", "in"): "signin", ("sign", "up"): "signup", ("log", "in"): "login", ("one", "time"): "onetime"}

# ------------------------------------------------------------------------------------------------- owners

_PERSONS = frozenset(
    """user users userinfo customer customers member members person buyer buyers recipient receiver sender passenger
    passengers patient patients traveler traveller cardholder payer beneficiary consumer me self student employee
    applicant borrower participant guest subscriber pengguna pelanggan penerima pemesan nasabah pasien anggota pembeli
    karyawan siswa""".split()
)
_ORGANISATIONS = frozenset(
    """cs helpline hotline creditor poi pois venue venues stop stops station stations airport airports cities regions
    servers datacenters places landmark landmarks shop shops store stores storefront seller sellers merchant
    merchants vendor vendors support helpdesk company companies corporate corporation business businesses
    organization organisation organizations organisations org orgs outlet outlets branch branches publisher
    publishers advertiser advertisers agency dealer dealership supplier suppliers manufacturer retailer distributor
    franchise marketplace operator operators landlord broker brokers office offices registrar registrant maintainer
    negozio negozi tienda tiendas boutique magasin magasins laden filiale filialen geschaft winkel winkels butik butiker
    sklep sklepy loja lojas negocio sede sucursal sucursales oficina oficinas agence agences agenzia proveedor fornitore
    fournisseur lieferant leverancier hersteller empresa empresas azienda aziende entreprise entreprises firma firmen
    bedrijf foretag kantor dinas instansi rumahsakit restoran restaurant restaurants hotel hotels clinic
    hospital pharmacy warehouse campaign campaigns
    adset adgroup sponsor toko penjual warung gerai cabang perusahaan lapak pedagang mitra pabrik gudang apotek
    klinik""".split()
)
"""Whose phone, mail, address or number it is, where it is no single person's."""
_THINGS = frozenset(
    """depot depots hub hubs locker lockers terminal terminals port ports harbour harbor resort resorts bureau kitchen
    kiosk pier berth stadium arena museum school campus park summit tram trams bus buses train trains vessel ship
    ferry flight aircraft airplane vehicle vehicles scooter actress artist artists composer singer
    narrator writer journalist byline presenter celebrity hero heroes character characters npc pet pets boss monster
    team teams clan guild league article articles episode episodes podcast song album movie film book chapter
    series gateway gateways relay node nodes resolver proxy vpn product products goods sku merchandise tariff room rooms
    course courses lesson lessons quiz recipe recipes dish dishes coupon voucher banner playlist trail trails crop farm
    tournament stadiums museums attraction attractions monument beach mountain lake river district districts building
    buildings property properties listing listings apartment parking charger chargers atm atms sensor sensors camera
    printer beacon beacons tower towers teacher coach instructor trainer lawyer doctor doctors physician dentist
    practitioner courier couriers politician speaker speakers lecturer
    director producer singer singers band bands producto productos produit produits prodotto prodotti produkt produkte
    artikel articulo libro livre buch pelicula pelicule canzone cancion chanson lied equipo equipe squadra mannschaft
    veicolo vehiculo vehicule fahrzeug stazione bahnhof estacion parada haltestelle fermata aeropuerto aeroport
    flughafen buku lagu filem stasiun halte bandara hotele
    animal animals livestock cattle cow cows bull horse horses mare sheep goat goats pig pigs dog dogs cat cats
    puppy kitten
    bird birds fish poultry plant plants variety squad squads roster lineup athlete athletes jockey striker hewan ternak
    sapi kucing anjing animale animales tier tiere cheval caballo exhibit exhibits artefact manuscript""".split()
)
"""What has a place, an address, a name or a birth of its own: places, fleets, works and those who made them, figures of
games, machines of a network. None of it is the user's."""
OTHERS = frozenset({"organisation", "thing"})
"""Owners that are not the user."""
_MAKERS = frozenset("actor actors author authors guest guests".split())
"""Persons who are the user, unless what they stand in is a work: the author of a comment, of an article."""
_DESKS = frozenset(
    """service complaint complaints info sales source press booking reservation reservations support assistance
    kundtjanst kundtjänst kundservice kundenservice kundendienst klantenservice soporte atencion assistenza suporte
    atendimento sav assistance destek""".split()
)
"""Desks of a company, in several languages: whose mail and telephone it is where a key names one before them, or where
they stand below it."""
_ORGANISATIONS_JOINED = frozenset(
    """customerservice customerservices customercare customersupport contactus callcenter callcentre helpcenter
    helpcentre usersupport layananpelanggan pickuppoint droppoint dropoffpoint collectionpoint
    servicepoint localbusiness""".split()
)


_CONTACT = re.compile(
    r"(?:phonenumber|phone|mobile|telephone|telefono|telefon|telepon|tel|fax|email|epost|correo|mail|address|alamat|"
    r"contact|number|name|lat|lng|lon)\Z"
)
"""What a key without separators ends in, behind its owner: ``storephone``."""


def owner(names: Iterable[str], maker: str = "person") -> str | None:
    """Whose the field is, by the names above it, the nearest first, and in a name the last word first: ``person``,
    ``organisation``, ``thing`` (a place, a work and its makers, a vehicle, a machine), or None where none of them says.
    ``contact``, ``account``, ``address`` say nothing by themselves: they have the owner of what they stand in.

    ``maker``: what an author or actor is where nothing else says it."""
    made_by = False
    for name in names:
        whole = joined(name)
        bare = _CONTACT.sub("", whole)
        if {whole, bare} & _ORGANISATIONS_JOINED or (bare != whole and bare in _ORGANISATIONS):
            return "organisation"
        if bare != whole and bare in _THINGS:
            return "thing"
        if bare in _DESKS:
            return "organisation"
        for word in reversed(words(name)):
            one_or_many = {word, word.removesuffix("s")}
            if word in _MAKERS:
                made_by = True
            elif one_or_many & _PERSONS:
                return "person"
            elif one_or_many & _ORGANISATIONS:
                return "organisation"
            elif one_or_many & _THINGS:
                return "thing"
    return maker if made_by else None


@functools.lru_cache(65_536)
def words(name: str) -> tuple[str, ...]:
    """The words of a key in lower case, whether it is written in camelCase, snake_case, kebab-case or with dots."""
    return tuple(w.lower() for w in _WORDS.findall(name))


def names_maker(name: str) -> bool:
    """A key says of a work's maker what it has: ``actor_birth_date``."""
    return bool({"actor", "actors", "author", "authors"} & set(words(name)[:-1]))


def subject(target: str) -> str | None:
    """Whose record a request is about, by the last two words of its path that are no identifier, as :func:`owner` says
    it of names: ``/v1/actors/17`` is about a thing, ``/users/me`` about a person."""
    parts = [p for p in unquote(target.partition("?")[0]).split("/") if p and not any(c.isdigit() for c in p)]
    return owner(reversed([p.partition(".")[0] for p in parts[-2:]]), maker="thing")


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
    return frozenset(
        kind
        for kind, known in _NEIGHBOURS.items()
        if known & names or (kind in _SEVERAL_OF and len(_SEVERAL_OF[kind] & names) >= _ENOUGH)
    )


@functools.lru_cache(4096)
def targets(host: str, target: str) -> frozenset[str]:
    """What the words of a request's host and path (without query) say about its fields."""
    path = unquote(target.partition("?")[0])
    parts = words(f"{host.lower()} {path}")
    named = frozenset(parts) | {_JOINED[pair] for pair in itertools.pairwise(parts) if pair in _JOINED}
    # /health alone is asked whether a server is well.
    last = joined(path.rstrip("/").rpartition("/")[2])
    return frozenset(
        kind
        for kind, known in _TARGETS.items()
        if known & named and not _TARGET_IS_NOT.get(kind, frozenset()) & named and not (kind == last == "health")
    )
