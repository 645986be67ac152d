"""Names: which host a flow without a name of its own was for, from the DNS answers before it."""

from __future__ import annotations

import pyarrow as pa

from analysis.tables import TABLES


def name_flows(flows: pa.Table, names: pa.Table) -> pa.Table:
    """Flows whose ``host`` is null get the name whose answer held their address last before they began.

    A flow that began before every answer keeps none: a later look-up did not lead to it. Where the capture has no
    times, an address that only one name stands for is named by it."""
    answers = _answers(names)
    if not answers or flows.num_rows == 0:
        return flows
    hosts, froms = flows["host"].to_pylist(), flows["host_from"].to_pylist()
    dsts = flows["dst"].to_pylist()
    firsts = flows["first"].cast(pa.int64()).to_pylist()
    for n, (host, dst) in enumerate(zip(hosts, dsts, strict=True)):
        if host is not None or dst not in answers:
            continue
        found = _held(answers[dst], firsts[n])
        if found is not None:
            hosts[n], froms[n] = found, "dns"
    return _with(flows, host=hosts, host_from=froms)


def _answers(names: pa.Table) -> dict[str, list[tuple[int | None, str]]]:
    """For each address the names that DNS answered with it, with the times of the first and the last such answer."""
    answers: dict[str, list[tuple[int | None, str]]] = {}
    times = (names[c].cast(pa.int64()) for c in ("first", "last"))
    columns = (names["address"], names["name"], names["from"], *times)
    for address, name, source, first, last in zip(*(c.to_pylist() for c in columns), strict=True):
        if source == "dns" and address is not None:
            answers.setdefault(address, []).append((first, name))
            if last is not None and last != first:
                answers[address].append((last, name))
    return answers


def _held(answers: list[tuple[int | None, str]], first: int | None) -> str | None:
    if first is None:
        distinct = {name for _, name in answers}
        return distinct.pop() if len(distinct) == 1 else None
    before = [(at, name) for at, name in answers if at is not None and at <= first]
    return max(before)[1] if before else None


def _with(table: pa.Table, **columns: list[object]) -> pa.Table:
    """The flows with columns replaced by lists of the declared type."""
    declared = TABLES["flows"].schema
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, pa.array(values, declared.field(name).type))
    return table
