"""mitmproxy addons, one concern a file, usable alone and together: ``mitmdump -s addons/record.py``.

They write a capture folder and judge nothing: what a signal means, ``analysis.conclude`` says. ``recorded`` and
``unopened`` hold what *record* and *opaque* are made of, ``shared`` what all do alike.
"""
