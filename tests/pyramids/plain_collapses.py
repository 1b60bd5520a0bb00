"""Edge collapse as it is defined, one dictionary after the other."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from multiscale_gcn.pyramids.quadrics import OF_BOUNDARY, OF_POINT

BEYOND = -1
"""The vertex that is joined to all boundaries."""
Plane = tuple[float, np.ndarray, np.ndarray]
"""Weight, normal, and a point in it; without a normal the point alone."""


class PlainCollapses:
    """A mesh of which edges collapse, until none may or there were so many."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, optimal: bool) -> None:
        self.places = dict(enumerate(np.asarray(vertices, dtype=float)))
        self.faces = [tuple(face) for face in faces.tolist()]
        self.optimal = optimal
        self.rim = {vertex for edge in self._rim_edges() for vertex in edge}
        self.terms: dict[int, list[Plane]] = {vertex: [] for vertex in self.places}
        for face in self.faces:
            a, b, c = (self.places[vertex] for vertex in face)
            for vertex in face:
                self.terms[vertex].append((1.0, np.cross(b - a, c - a), a))
                self.terms[vertex].append((OF_POINT, np.zeros(3), self.places[vertex]))
        for start, end in self._rim_edges():
            (face,) = (face for face in self.faces if {start, end} <= set(face))
            a, b, c = (self.places[vertex] for vertex in face)
            along = self.places[end] - self.places[start]
            upright = np.cross(along, np.cross(b - a, c - a))
            for vertex in (start, end):
                self.terms[vertex].append((OF_BOUNDARY, upright, self.places[start]))

    def run(self, num_merges: int) -> list[tuple[int, int, np.ndarray]]:
        """Of every collapse the vertex that was kept, the one that merged into it, the place."""
        done: list[tuple[int, int, np.ndarray]] = []
        refused: set[tuple[int, int]] = set()
        known: dict[tuple[int, int], float] = {}
        looked = 0
        while len(done) < num_merges:
            pairs = [pair for edge in self._edges() for pair in self._pairs(*edge)]
            known |= {pair: self.error(pair) for pair in pairs if pair not in known}
            candidates = [(known[pair], *pair) for pair in pairs if pair not in refused]
            if not candidates:
                if looked == len(done):
                    break
                looked, refused = len(done), set()
                continue
            _, kept, gone = min(candidates)
            if not self._may(kept, gone):
                refused.add((kept, gone))
                continue
            place = self.place((kept, gone))
            done.append((kept, gone, place))
            self._merge(kept, gone, place)
            refused = {pair for pair in refused if not {kept, gone} & set(pair)}
            known = {pair: error for pair, error in known.items() if not {kept, gone} & set(pair)}
        return done

    def error(self, pair: tuple[int, int]) -> float:
        """The sum of weighted squared distances from all planes and points of both."""
        place = self.place(pair)
        total = 0.0
        for weight, normal, point in self.terms[pair[0]] + self.terms[pair[1]]:
            away = place - point
            length = np.linalg.norm(normal)
            if weight == OF_POINT:
                total += weight * float(away @ away)
            elif length > 0:
                total += weight * float(away @ normal / length) ** 2
        return total

    def place(self, pair: tuple[int, int]) -> np.ndarray:
        """Where the merged vertex stands; a boundary stays where it is."""
        kept, gone = pair
        if not self.optimal or (kept in self.rim and gone not in self.rim):
            return self.places[kept]
        if gone in self.rim and kept not in self.rim:
            return self.places[gone]
        rows, rights = [], []
        for weight, normal, point in self.terms[kept] + self.terms[gone]:
            length = np.linalg.norm(normal)
            lines = np.eye(3) if weight == OF_POINT else (normal / (length or 1.0))[None]
            rows.append(weight**0.5 * lines)
            rights.append(weight**0.5 * lines @ point)
        return np.linalg.lstsq(np.concatenate(rows), np.concatenate(rights), rcond=None)[0]

    def _pairs(self, a: int, b: int) -> list[tuple[int, int]]:
        if self.optimal:
            return [(a, b)]
        pairs = [(a, b)] if a in self.rim or b not in self.rim else []
        return pairs + ([(b, a)] if b in self.rim or a not in self.rim else [])

    def _may(self, kept: int, gone: int) -> bool:
        if self._link({kept}) & self._link({gone}) != self._link({kept, gone}):
            return False
        place = self.place((kept, gone))
        for face in self.faces:
            if len({kept, gone} & set(face)) != 1:
                continue
            before = [self.places[vertex] for vertex in face]
            after = [place if vertex in (kept, gone) else self.places[vertex] for vertex in face]
            old, new = (np.cross(b - a, c - a) for a, b, c in (before, after))
            if old.any() and old @ new <= 0:
                return False
        return True

    def _merge(self, kept: int, gone: int, place: np.ndarray) -> None:
        self.places[kept] = place
        del self.places[gone]
        self.terms[kept] += self.terms.pop(gone)
        if gone in self.rim:
            self.rim.add(kept)
        self.faces = [
            tuple(kept if vertex == gone else vertex for vertex in face)
            for face in self.faces
            if not {kept, gone} <= set(face)
        ]

    def _edges(self) -> list[tuple[int, int]]:
        return sorted({edge for face in self.faces for edge in combinations(sorted(face), 2)})

    def _rim_edges(self) -> list[tuple[int, int]]:
        sides = [edge for face in self.faces for edge in combinations(sorted(face), 2)]
        return [edge for edge in sorted(set(sides)) if sides.count(edge) == 1]

    def _link(self, simplex: set[int]) -> set[frozenset[int]]:
        """Of the mesh with a cone over its boundary: all that, joined to the simplex, is in it."""
        tops = [set(face) for face in self.faces]
        tops += [{*edge, BEYOND} for edge in self._rim_edges()]
        return {
            frozenset(part)
            for top in tops
            if simplex <= top
            for size in range(1, len(top))
            for part in combinations(sorted(top - simplex), size)
        }
