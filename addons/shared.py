"""What every addon here does alike: it shares one option, and opens the capture folder or ends the proxy."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mitmproxy import ctx

from analysis.folder.writing import OPTION, OPTION_HELP, Writing, writing
from analysis.model import InputError

if TYPE_CHECKING:
    from mitmproxy.addonmanager import Loader


def add_folder_option(loader: Loader) -> None:
    """For ``load``. The same option again is none too many."""
    loader.add_option(OPTION, str, "", OPTION_HELP)


def opened(logger: logging.Logger) -> Writing | None:
    """For ``running``: this process's writer of the folder that the option names, to be released in ``done``. Where it
    cannot be written, that is said in one sentence, the proxy ends, and this is None."""
    try:
        return writing(ctx.options.lintas_folder)
    except InputError as error:
        logger.error(str(error))
        ctx.master.shutdown()  # type: ignore[no-untyped-call]
        return None
