"""A live capture, from the first check to the sealed folder.

The front (``run``) checks, asks, shows how the phone gets in, and looks on; it reads no traffic. The proxy (``proxy``,
a program of its own in a session of its own) writes the folder and seals it however it ends. The follower
(``analysis.follow``, another program) says what is in the folder. Between them go lines of JSON, so that none of the
three waits for another.
"""
