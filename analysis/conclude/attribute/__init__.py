"""Attribute: in which phase of the session something was sent, and by which app.

Of apps, three grounds are told apart in every table and sentence. *Stated*: the capture itself names the app of a
flow, the phone's own socket table does, or the app was alone in the tunnel. *Joined*: another file of the capture
names the app of the same conversation. *Inferred*: nobody named it, but the app under test was in front and the idle
phase did not have this host; or its program calls itself so in ``User-Agent``. What the phone's system does by itself
is none of them.
"""

from analysis.conclude.attribute.agents import suggested
from analysis.conclude.attribute.apps import apps
from analysis.conclude.attribute.phases import phase_marks, phases

__all__ = ["apps", "phase_marks", "phases", "suggested"]
