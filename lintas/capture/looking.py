"""Looking on: the view on a terminal, or lines where there is none, until somebody ends the capture."""

from __future__ import annotations

import os
import sys

from lintas.capture.conversation import Conversation
from lintas.capture.keyboard import Keyboard, Keys
from lintas.capture.outlet import EndedError, mute, say
from lintas.capture.view import Terminal


def look_on(talk: Conversation) -> str:
    """Show how things stand until somebody ends it; who did."""
    keys = Keys(talk.pressed)
    live = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    view = Terminal(live, say)
    keyboard = Keyboard(lambda key: talk.lines.put(("key", {"key": key}))) if live and sys.stdin.isatty() else None
    if keyboard is not None:
        keyboard.start()
    try:
        view.start()
        while True:
            talk.take(keys)
            view.show(talk.snapshot(), keys.prompt() if keyboard is not None else "Ctrl-C ends and seals")
    except EndedError as ended:
        return ended.cause
    except OSError:
        # The terminal is gone, which its signal will tell too.
        mute()
        return "SIGHUP"
    finally:
        try:
            view.stop(talk.snapshot())
        except OSError:
            mute()
        if keyboard is not None:
            keyboard.stop()
