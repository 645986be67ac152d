"""Phases, for ``mitmproxy -s``, ``mitmweb -s`` and ``mitmdump -s``: what the auditor did on the phone, and when.

Commands, with completion of the names: ``lintas.phase first_launch`` begins a phase, which lasts until the next one;
``lintas.mark put two books into the basket`` writes a mark, which is shown beside the phases and ends none of them. In
mitmproxy's own console ``T`` offers the phases and ``N`` asks for a mark; in mitmweb both are typed into the command
bar. ``--set lintas_phase=idle`` says with which phase the recording begins; setting it anew begins another.

Each is a line of ``events.jsonl`` of the capture folder (``docs/design.md``). Phases have the fixed names of
``analysis.folder.PHASES``, since the audit holds what was sent against them: what is free text is a mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mitmproxy import command, ctx, exceptions, types
from mitmproxy.log import ALERT

from addons.shared import add_folder_option, add_option, close, logger_of, opened, refuse
from analysis.folder import PHASES
from analysis.folder.writing import Writing

if TYPE_CHECKING:
    from mitmproxy.addonmanager import Loader

logger = logger_of(__name__)

PHASE_KEY, MARK_KEY = "T", "N"
_KEYS = (
    (PHASE_KEY, "console.choose.cmd Phase lintas.phase.names lintas.phase {choice}", "Begin a phase of the audit"),
    (MARK_KEY, "console.command lintas.mark ", "Write a mark into the capture"),
)
_CONTEXTS = ("flowlist", "flowview")


class Phases:
    """The addon. ``lintas_phase`` is the phase at present, where one was begun by the option."""

    def __init__(self) -> None:
        self._out: Writing | None = None
        self._set = ""
        """What the option says: mitmproxy tells it again where another value was refused."""

    def load(self, loader: Loader) -> None:
        add_folder_option(loader, logger)
        add_option(
            loader,
            logger,
            "lintas_phase",
            str,
            "",
            f"The phase of the audit that begins with the recording, or now: {', '.join(PHASES)}.",
        )

    def configure(self, updated: set[str]) -> None:
        name = ctx.options.lintas_phase
        if "lintas_phase" not in updated or name == self._set:
            return
        if name and name not in PHASES:
            refuse(logger, f"lintas_phase is {name!r}; write one of {', '.join(PHASES)}.", self._out is not None)
            return
        self._set = name
        if name and self._out is not None:
            self._begin(name)

    def running(self) -> None:
        if self._out is not None:
            return
        self._out = opened(logger)
        if self._out is None:
            return
        logger.info(f"Phases and marks are written to {self._out.path}.")
        if self._set:
            try:
                self._begin(self._set)
            except exceptions.CommandError as error:
                logger.error(str(error))
        self._bind()

    def done(self) -> None:
        if self._out is not None:
            out, self._out = self._out, None
            close(out, logger)

    # ----------------------------------------------------------------------------------------------- commands

    @command.command("lintas.phase.names")  # type: ignore[untyped-decorator]
    def names(self) -> Sequence[str]:
        """The phases that lintas.phase can begin."""
        return list(PHASES)

    @command.command("lintas.phase")  # type: ignore[untyped-decorator]
    @command.argument("phase", type=types.Choice("lintas.phase.names"))  # type: ignore[untyped-decorator, no-untyped-call]
    def phase(self, phase: str) -> None:
        """Begin a phase of the audit, such as first_launch or login. It lasts until the next one begins."""
        self._begin(phase)

    @command.command("lintas.mark")  # type: ignore[untyped-decorator]
    def mark(self, *text: str) -> None:
        """Write a mark into the capture, in your own words. It ends no phase."""
        note = " ".join(text).strip()
        if not note:
            raise exceptions.CommandError("lintas.mark needs a text.")
        if not self._writer().event("mark", note=note):
            raise exceptions.CommandError("The mark could not be written; the log says why.")
        logger.log(ALERT, "Mark written.")

    def _begin(self, name: str) -> None:
        if not self._writer().event("phase", phase=name):
            raise exceptions.CommandError(f"The phase {name} could not be written; the log says why.")
        logger.log(ALERT, f"Phase {name} began.")

    def _writer(self) -> Writing:
        if self._out is None:
            raise exceptions.CommandError("No capture folder is being written.")
        return self._out

    # --------------------------------------------------------------------------------------------------- keys

    def _bind(self) -> None:
        """Keys where the master has some (mitmproxy's console). A key that the user gave a meaning keeps it."""
        keymap = getattr(ctx.master, "keymap", None)
        if keymap is None:
            return
        for key, words, about in _KEYS:
            if any(keymap.get(context, key) for context in (*_CONTEXTS, "global")):
                logger.info(f"The key {key} has a meaning already: the command line does the same.")
            else:
                keymap.add(key, words, list(_CONTEXTS), about)


addons = [Phases()]
