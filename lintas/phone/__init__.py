"""The phone under test, over adb: what runs on it, whose sockets are whose, and what was changed there put back.

For a capture: ``adb.choose`` gives a Phone; ``about.describe`` it for the manifest; ``identity.read`` and
``identity.plant`` its identifiers; ``watch.Watch`` it while the capture runs; record its ``screen.Screen``; set its
``proxy.proxied``; and ``proxy.recover`` what a run before left. Nothing is imported here, so that the command line
starts at once.
"""
