"""The parents and children of tables and models, from the dbt project."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

from runner.build.books import Books

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
        self._names = {id_: name for name, id_ in self._ids.items()}
        self._parents = {id_: set(node.depends_on_nodes) for id_, node in models.items()}
        self._children: dict[str, set[str]] = {}
        for id_, above in self._parents.items():
            for parent in above:
                self._children.setdefault(parent, set()).add(id_)
        tagged = {id_ for id_, node in models.items() if "live" in node.tags}
        self._live = reachable(self._parents, tagged) & models.keys()

    @property
    def names(self) -> Set[str]:
        return self._ids.keys()

    def live_below(self, names: Set[str]) -> list[str]:
        """Of the named models and all models below them, those that a live mart needs."""
        return self._sorted(self._below(names) & self._live)

    def rest_below(self, names: Set[str]) -> list[str]:
        """Of the named models and all models below them, those that no live mart needs."""
        return self._sorted(self._below(names) - self._live)

    def needed(self, selected: Set[str], books: Books) -> dict[str, str]:
        """The models that must be built together with the models of these ids: names by ids.

        They are above a selected model, at any distance, and are outdated, or would be outdated
        once the selected models were built.
        """
        models = selected & self._models.keys()
        older = {id_ for id_ in self._models if self._is_older(id_, books)}
        stale = reachable(self._children, older | models)
        added = stale & reachable(self._parents, models) & self._models.keys() - models
        return {id_: self._models[id_] for id_ in added}

    def _is_older(self, id_: str, books: Books) -> bool:
        """Whether a model is missing, or was not built since one of its parents changed."""
        name = self._names[id_]
        if name not in books.versions:
            return True
        above = {self._names[parent] for parent in self._parents[id_]}
        return bool(above & books.unread) or any(
            books.reads.get((name, parent)) != books.versions.get(parent)
            for parent in above
            if self._ids[parent] in self._models
        )

    def _below(self, names: Set[str]) -> set[str]:
        return reachable(self._children, {self._ids[name] for name in names})

    def _sorted(self, ids: Set[str]) -> list[str]:
        return sorted(self._models[id_] for id_ in ids & self._models.keys())


def reachable(neighbours: Mapping[str, Set[str]], starts: Set[str]) -> set[str]:
    """The nodes that are reached from ``starts``, including ``starts``."""
    reached: set[str] = set()
    ahead = set(starts)
    while ahead:
        reached |= ahead
        ahead = set().union(*(neighbours.get(node, set()) for node in ahead)) - reached
    return reached
