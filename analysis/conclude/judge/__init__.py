"""Judge: what the rules say of what was seen. One rule for the reach of law, one for destinations, one for consent;
each is evaluated for every state alike, and the level of the evidence picks the wording, never whether it is said.

Wordings are keys of the report's message catalogue; their arguments are counts, ids and codes, never values.
"""

from analysis.conclude.judge.evidence import keep_evidence
from analysis.conclude.judge.rules import findings

__all__ = ["findings", "keep_evidence"]
