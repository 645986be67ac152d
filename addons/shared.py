"""What every addon here does alike: its options, and to open the capture folder or end the proxy."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from mitmproxy import ctx, exceptions
from mitmproxy.log import ALERT

from analysis.folder.programs import lintas
from analysis.folder.writing import OPTION, OPTION_HELP, Writing, writing
from analysis.model import InputError, printable

if TYPE_CHECKING:
    from mitmproxy.addonmanager import Loader

_SCRIPT = "__mitmproxy_script__"
"""What the name of a module begins with that ``-s`` loads."""
_heard: WeakSet[Writing] = WeakSet()
"""Folders whose trouble is logged."""
_asked: WeakSet[Any] = WeakSet()
"""Proxies whose options were looked through."""
_ending: WeakSet[Any] = WeakSet()
"""Proxies that were ended for want of a folder."""


class _Plain(logging.Filter):
    """Lines for a terminal: what a capture, a file's name or an option brings along cannot steer it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), None
        return True


_plain = _Plain()


def logger_of(module: str) -> logging.Logger:
    """The log of an addon, by its ``__name__``."""
    logger = logging.getLogger(module)
    logger.addFilter(_plain)
    return logger


def add_folder_option(loader: Loader, logger: logging.Logger) -> None:
    """For ``load``. The same option again is none too many."""
    add_option(loader, logger, OPTION, str, "", OPTION_HELP)


def add_option(loader: Loader, logger: logging.Logger, name: str, kind: type[Any], default: Any, about: str) -> None:
    """For ``load``. A value from the command line that is no ``kind`` is told, and ends the proxy's start: mitmproxy
    would go on without the addon and without a word."""
    loader.add_option(name, kind, default, about)
    options: Any = loader.master.options
    try:
        options.process_deferred()
    except (exceptions.OptionsError, TypeError):
        given = options.deferred.pop(name, None)
        said = " ".join(map(str, getattr(given, "val", [given])))
        logger.error(f"{name} is {said!r}; write {'a whole number' if kind is int else 'one text'}.")


def refuse(logger: logging.Logger, text: str, is_open: bool) -> None:
    """For ``configure``, of an option that makes no sense. Raises OptionsError, which takes it back; but mitmproxy
    shows a script's first one with a traceback, so that one is an error in the log, which ends the proxy's start.
    ``is_open``: the addon has its folder, so this is no start."""
    if is_open or not logger.name.startswith(_SCRIPT):
        raise exceptions.OptionsError(text)  # type: ignore[no-untyped-call]
    logger.error(text)


def opened(logger: logging.Logger) -> Writing | None:
    """For ``running``: this process's writer of the folder that the option names, to be released in ``done``. Where it
    cannot be written, that is said in one sentence, by the first who asks; the proxy ends, and this is None. What goes
    wrong later is logged."""
    if ctx.master in _ending:
        return None
    if ctx.master not in _asked:
        _asked.add(ctx.master)
        for name in [n for n in ctx.options.deferred if n.startswith("lintas_")]:
            logger.warning(f"No addon here has an option {name}; it is without effect.")
    try:
        out = writing(ctx.options.lintas_folder)
    except InputError as error:
        _ending.add(ctx.master)
        logger.error(str(error))
        ctx.master.shutdown()  # type: ignore[no-untyped-call]
        return None
    if out not in _heard:
        _heard.add(out)
        out.on_trouble(logger.warning)
    return out


def close(out: Writing, logger: logging.Logger) -> None:
    """For ``done``: the folder is let go of. The last to do so seals it, and says what comes next."""
    if out.release():
        logger.log(ALERT, f"The folder is sealed; next: {lintas()} audit {shlex.quote(str(out.path))}")
