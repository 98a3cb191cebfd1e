"""Which models stand on which tables and models, as the dbt project tells."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


class Lineage:
    """The models of a project and their order.

    ``names`` are the qualified names of all landing tables and models.
    """

    def __init__(self, project: Manifest) -> None:
        models = {id_: node for id_, node in project.nodes.items() if id_.startswith("model.")}
        self._models = {id_: node.name for id_, node in models.items()}
        self._ids = {
            **{f"{each.schema}.{each.identifier}": id_ for id_, each in project.sources.items()},
            **{f"{each.schema}.{each.alias}": id_ for id_, each in models.items()},
        }
        parents = {id_: set(node.depends_on_nodes) for id_, node in models.items()}
        self._children: dict[str, set[str]] = {}
        for id_, above in parents.items():
            for parent in above:
                self._children.setdefault(parent, set()).add(id_)
        tagged = {id_ for id_, node in models.items() if "live" in node.tags}
        self._live = _reachable(parents, tagged) & models.keys()

    @property
    def names(self) -> Set[str]:
        return self._ids.keys()

    def live_below(self, names: Set[str]) -> list[str]:
        """The models of these names, and all that need them, that a live mart needs."""
        return self._sorted(self._below(names) & self._live)

    def rest_below(self, names: Set[str]) -> list[str]:
        """The models of these names, and all that need them, that no live mart needs."""
        return self._sorted(self._below(names) - self._live)

    def _below(self, names: Set[str]) -> set[str]:
        return _reachable(self._children, {self._ids[name] for name in names})

    def _sorted(self, ids: Set[str]) -> list[str]:
        return sorted(self._models[id_] for id_ in ids & self._models.keys())


def _reachable(neighbours: Mapping[str, Set[str]], starts: Set[str]) -> set[str]:
    """The nodes that are reached from ``starts``, which are among them."""
    reached: set[str] = set()
    ahead = set(starts)
    while ahead:
        reached |= ahead
        ahead = set().union(*(neighbours.get(node, set()) for node in ahead)) - reached
    return reached
