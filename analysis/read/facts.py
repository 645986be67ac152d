"""What detection needs of the reference data, small enough to hand to every worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.read.detect.endpoint import Endpoint, EndpointField

if TYPE_CHECKING:
    from analysis.reference import Reference


@dataclass(frozen=True, slots=True)
class Facts:
    """Types and their keys, known endpoints, countries, headers in which machines name their place."""

    types: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Id, validator, keys."""
    endpoints: tuple[Endpoint, ...]
    country_codes: frozenset[str]
    """ISO 3166 alpha-2 and alpha-3, upper case."""
    country_names: frozenset[str]
    """English and Indonesian, lower case."""
    node_headers: frozenset[str]
    agents: frozenset[str] = frozenset()
    """Programs of the phone's own system, as they name themselves in ``User-Agent``, lower case."""

    @classmethod
    def of(cls, reference: Reference) -> Facts:
        """Taken from the reference data."""
        countries = reference.countries.values()
        return cls(
            types=tuple(
                (t.id, t.value_detector.validator, tuple(t.example_keys)) for t in reference.data_types.values()
            ),
            endpoints=tuple(
                Endpoint(
                    e.host_pattern,
                    e.path_pattern,
                    tuple(
                        EndpointField(
                            id=f.id,
                            where=f.where,
                            path=f.field.removeprefix("response."),
                            data_type=f.data_type,
                            verified=f.confidence == e.confidence == "verified",
                            answer=f.field.startswith("response.") or (f.note or "").startswith("In the answer"),
                        )
                        for f in e.fields
                    ),
                    reference.is_own("endpoints", e.id),
                )
                for e in reference.endpoints.values()
            ),
            country_codes=frozenset(c for one in countries for c in (one.code, one.alpha3)),
            country_names=frozenset(n.lower() for one in reference.countries.values() for n in (one.en, one.id)),
            node_headers=reference.node_headers,
            agents=frozenset(reference.noise_agents),
        )
