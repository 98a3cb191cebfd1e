"""A genetic search over genes in 0..1, with the operators of DEAP."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deap import base, tools

_ELITE = 2

Genes = Sequence[float]
Fitness = Callable[[Genes], float]
"""The larger, the better."""


class _Fitness(base.Fitness):  # type: ignore[misc]
    weights = (1.0,)


class Individual(list[float]):
    """Genes with a fitness; DEAP's creator would make the same class in a global namespace."""

    def __init__(self, genes: Genes) -> None:
        super().__init__(genes)
        self.fitness = _Fitness()


Population = list[Individual]


class Breeder:
    """Tournament selection, blend crossover and Gaussian mutation, with elitism.

    Eiben and Smith, Introduction to Evolutionary Computing. The best fitness never falls from one
    generation to the next. Searches of one breeder go on in one sequence of random numbers.
    """

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()  # noqa: S311

    def breed(
        self,
        fitness: Fitness,
        genes: int,
        *,
        size: int,
        generations: int,
        veterans: Population = [],  # noqa: B006 - it is read only
    ) -> list[Population]:
        """The generations of a search, whose first has the best third of the veterans."""
        with self._own_random():
            first = [Individual(one) for one in tools.selBest(veterans, size // 3)]
            while len(first) < size:
                first.append(Individual([random.random() for _ in range(genes)]))  # noqa: S311
            found = [_evaluated(first, fitness)]
            for _ in range(generations - 1):
                found.append(_next(found[-1], fitness))
        return found

    @contextmanager
    def _own_random(self) -> Iterator[None]:
        """Lend DEAP, which draws from the global generator, a state that is our own."""
        others = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(others)


def best(population: Population) -> Individual:
    """The fittest."""
    found: Individual = tools.selBest(population, 1)[0]
    return found


def _next(population: Population, fitness: Fitness) -> Population:
    elite: Population = tools.selBest(population, _ELITE)
    parents = tools.selTournament(population, len(population) - _ELITE, tournsize=3)
    children = [Individual(genes) for genes in parents]
    for mother, father in zip(children[::2], children[1::2], strict=False):
        tools.cxBlend(mother, father, alpha=0.3)
    for child in children:
        tools.mutGaussian(child, mu=0.0, sigma=0.15, indpb=0.3)
        child[:] = [min(1.0, max(0.0, gene)) for gene in child]
    return elite + _evaluated(children, fitness)


def _evaluated(population: Population, fitness: Fitness) -> Population:
    for individual in population:
        individual.fitness.values = (fitness(individual),)
    return population
