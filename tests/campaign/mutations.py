"""Small faults for the tests to find: a text that stands once in a file, and what replaces it."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    file: str
    """Within the package."""
    old: str
    new: str
    equivalent: str = ""
    """Why no test can tell; empty if one must."""


ORDER = "matching/order.py"
SPECIFICATION = "matching/specification.py"
MATCHING = "matching/on_cpu.py"
MATCH = "matching/__init__.py"
NUMBERING = "matching/numbering.py"
TRUNCATION = "matching/truncation.py"
CONTRACT = "contraction/__init__.py"
CONTRACTION = "contraction/on_cpu.py"
TRANSFER = "hierarchy/transfer.py"
SMOOTHING = "hierarchy/smoothing.py"
BATCHES = "hierarchy/batches.py"
CONSTRAINTS = "graph/constraints.py"
QUALITY = "quality.py"

SMALLER = "a node that is its own image has the smaller of a hub and its image as its hub anyway"

MUTATIONS = (
    # The order
    Mutation(ORDER, "^ min(u, v)) ^ max(u, v))", "^ max(u, v)) ^ min(u, v))"),
    Mutation(ORDER, "first ^ second, -edge_hash(", "first ^ second, edge_hash("),
    Mutation(ORDER, "*min(self._tie_key(u, v), image))", "*self._tie_key(u, v))"),
    Mutation(ORDER, "self.degrees[u] + self.degrees[v]", "max(self.degrees[u], self.degrees[v])"),
    # The specification
    Mutation(
        SPECIFICATION,
        "elif self.node_weights[u] < self.node_weights[waiting]",
        "elif self.node_weights[u] <= self.node_weights[waiting]",
    ),
    Mutation(SPECIFICATION, "merged <= self.max_node_weight", "merged < self.max_node_weight"),
    Mutation(SPECIFICATION, "True, min(hub, state.mirror[hub])", "True, hub", SMALLER),
    Mutation(SPECIFICATION, "if u != v and self.free(u)", "if u != v"),
    # The matching in Numba
    Mutation(
        MATCHING,
        "elif node_weights[u] < node_weights[waiting]:\n            waiting_at[hub] = u",
        "elif node_weights[u] <= node_weights[waiting]:\n            waiting_at[hub] = u",
    ),
    Mutation(
        MATCHING,
        "elif node_weights[u] < node_weights[waiting]:\n            waiting_at[hub] = u",
        "elif False:\n            waiting_at[hub] = u",
    ),
    Mutation(
        MATCHING,
        "elif node_weights[u] < node_weights[waiting]:\n            waiting = np.int64(u)",
        "elif node_weights[u] <= node_weights[waiting]:\n            waiting = np.int64(u)",
    ),
    Mutation(
        MATCHING,
        "elif node_weights[u] < node_weights[waiting]:\n            waiting = np.int64(u)",
        "elif False:\n            waiting = np.int64(u)",
    ),
    Mutation(
        MATCHING,
        "elif node_weights[u] < node_weights[v]:",
        "elif node_weights[u] <= node_weights[v]:",
    ),
    Mutation(MATCHING, "elif node_weights[u] < node_weights[v]:", "elif False:"),
    Mutation(MATCHING, "or hubs[i] != hubs[waiting] or", "or"),
    Mutation(MATCHING, " or group[u] != group[nodes[waiting]]", ""),
    Mutation(
        MATCHING,
        "np.int64(v)) < (np.int64(u) ^ best)\n    return",
        "np.int64(v)) > (np.int64(u) ^ best)\n    return",
    ),
    Mutation(
        MATCHING, "nearer = (np.int64(u) ^ np.int64(v)) <", "nearer = (np.int64(u) ^ np.int64(v)) >"
    ),
    Mutation(MATCHING, "(mine < other) |", "(mine > other) |"),
    Mutation(
        MATCHING,
        "counts & (rating > best_rating))",
        "counts & (rating >= best_rating))",
        "who is as good is compared once more below",
    ),
    Mutation(MATCHING, "if counts else best_rating", "if True else best_rating"),
    Mutation(MATCHING, "or count < best_count", "or count > best_count"),
    Mutation(
        MATCHING,
        "np.uint64(min(u, v))) ^ np.uint64(max(u, v)))",
        "np.uint64(max(u, v))) ^ np.uint64(min(u, v)))",
    ),
    Mutation(MATCHING, "u ^ v, ~_edge_hash(", "u ^ v, _edge_hash("),
    Mutation(MATCHING, "return image if image < own else own", "return own"),
    Mutation(MATCHING, "mutual = (w == u) & (v != u)", "mutual = w == u"),
    Mutation(MATCHING, "goes_on & (candidate[w] == v)", "goes_on & (candidate[w] != v)"),
    Mutation(MATCHING, "high - low - np.uint64(loops)", "high - low"),
    Mutation(MATCHING, "weights[own] if loops", "weights[own] if not loops"),
    Mutation(MATCHING, "indices[own + half] <= u", "indices[own + half] < u"),
    Mutation(
        MATCHING,
        "_marry(mirror[u], mirror[candidate[u]], KIND_EDGE",
        "_marry(u, candidate[u], KIND_EDGE",
    ),
    Mutation(MATCHING, "np.minimum(hubs, images)[chosen]", "hubs[chosen]", SMALLER),
    Mutation(MATCHING, "~fixed & (hubs < images)", "~fixed & (hubs <= images)"),
    Mutation(MATCHING, "        and not (survives[u] and survives[v])\n", ""),
    Mutation(MATCHING, "-(-len(nodes) // CHUNK) if several", "len(nodes) // CHUNK if several"),
    Mutation(MATCHING, "return chunk * CHUNK, min(", "return chunk * CHUNK + (chunk > 0), min("),
    Mutation(
        MATCHING, "queue[tail], queue[tail + 1] = x, y", "queue[tail], queue[tail + 1] = x, x"
    ),
    # Which pairs are kept
    Mutation(MATCH, "constraints.batch is None and matching", "matching"),
    Mutation(
        MATCH,
        "matching.num_pairs <= allowed[0]",
        "matching.num_pairs < allowed[0]",
        "as many pairs as allowed are all kept in either way",
    ),
    Mutation(MATCH, "np.minimum(allowed, np.iinfo(np.int64).max)", "allowed"),
    Mutation(NUMBERING, "if mate[u] < u:", "if mate[u] <= u:"),
    Mutation(TRUNCATION, "return (kind, -rating,", "return (-rating, kind,"),
    Mutation(TRUNCATION, "return (kind, -rating,", "return (kind, rating,"),
    Mutation(
        TRUNCATION, "neighbours[u] + neighbours[v]", "np.maximum(neighbours[u], neighbours[v])"
    ),
    Mutation(TRUNCATION, "first ^ second, ~hashes", "first ^ second, hashes"),
    Mutation(TRUNCATION, "np.minimum(u, v), np.maximum(u, v)", "u, v"),
    Mutation(
        TRUNCATION,
        "first.astype(np.uint64)) ^ second.astype(np.uint64)",
        "second.astype(np.uint64)) ^ first.astype(np.uint64)",
    ),
    Mutation(TRUNCATION, "_tie_key(ids[u], ids[v], method.seed)", "_tie_key(u, v, method.seed)"),
    Mutation(TRUNCATION, "undecided & (theirs < ours)", "undecided & (theirs > ours)"),
    Mutation(
        TRUNCATION,
        "undecided &= theirs == ours",
        "undecided &= True",
        "of a pair and its image at least one keeps the better key, and takes the other along",
    ),
    Mutation(TRUNCATION, "place < room[member[ranked]]", "place <= room[member[ranked]]"),
    Mutation(TRUNCATION, "len(orbit) <= room[member[at]]", "len(orbit) < room[member[at]]"),
    Mutation(TRUNCATION, "if of_nodes:", "if of_nodes.constraints.batch is not None:"),
    # The contraction
    Mutation(
        CONTRACTION,
        "if len(counts) < 2 * length:\n            counts = np.empty(4 * length, np.int64)",
        "if len(counts) < length:\n            counts = np.empty(length, np.int64)",
    ),
    Mutation(CONTRACTION, "range(-(-bits // DIGIT))", "range(bits // DIGIT)"),
    Mutation(CONTRACTION, "indices[place - 1] > column", "indices[place - 1] >= column"),
    Mutation(CONTRACTION, "shift = begin[block] - low", "shift = low - begin[block]"),
    Mutation(CONTRACTION, "longest = max(longest, lengths[c])", "longest = lengths[c]"),
    Mutation(CONTRACTION, "longest = max(longest, length)", "longest = length"),
    Mutation(CONTRACTION, "        if v > u:", "        if v >= u:"),
    Mutation(CONTRACTION, "if most > CROWDED:", "if most > 0:", "both sorts sort"),
    Mutation(
        CONTRACTION,
        "if entries >= block * share:",
        "if entries > block * share:",
        "which thread merges a row changes nothing",
    ),
    Mutation(CONTRACT, "not occurs[: parent.max() + 1].all()", "not occurs.any()"),
    Mutation(
        CONTRACT,
        "coarse if coarse.quantum == graph.quantum else coarse._with_quantum(graph.quantum)",
        "coarse._with_quantum(None)",
    ),
    # Between levels
    Mutation(
        TRANSFER,
        "values /= np.bincount(level.parent)[node]",
        "values = 1 / np.bincount(node)[node]",
    ),
    Mutation(TRANSFER, "(b != c) & (c != a)", "(b != c)"),
    Mutation(TRANSFER, "merged[np.sort(first)]", "merged[first]"),
    Mutation(
        TRANSFER,
        "children[two, 1] = by_parent[first[two] + 1]",
        "children[two, 1] = by_parent[first[two]]",
    ),
    Mutation(TRANSFER, "smooth(step, level.graph, damping)", "smooth(step, level.graph, None)"),
    Mutation(TRANSFER, 'real_number(damping, "damping", above=0)', "damping"),
    Mutation(SMOOTHING, "damping = 4.0 / 3.0 /", "damping = 2.0 / 3.0 /"),
    Mutation(SMOOTHING, "    weights.setdiag(0)\n", ""),
    Mutation(BATCHES, "sizes.index(sizes[-1])", "len(sizes) - 1"),
    Mutation(BATCHES, "symmetry - begin", "symmetry"),
    # Constraints
    Mutation(CONSTRAINTS, "prepend=self.batch[:1]) > 0)", "prepend=self.batch[:1]))"),
    Mutation(CONSTRAINTS, "np.searchsorted(self.batch, self.batch)", "self.batch * 0"),
    Mutation(
        CONSTRAINTS,
        "survivors[parent[self.survivors]] = True",
        "survivors[parent] = self.survivors",
    ),
    Mutation(CONSTRAINTS, "(mirror < 0) | (mirror >= n)", "mirror >= n"),
    Mutation(CONSTRAINTS, "image[classes] != classes[mirror]", "classes != classes[mirror]"),
    Mutation(CONSTRAINTS, "if known is None or known.num_nodes != n:", "if known is None:"),
    Mutation(CONSTRAINTS, '("batch", _differs(constraints.batch, mirror)),', ""),
    # Figures
    Mutation(QUALITY, "(rows < columns) & (", "(rows <= columns) & ("),
    Mutation(QUALITY, "zeros=False)[0][lost:]", "zeros=False)[0]"),
    Mutation(QUALITY, 'return float("inf")', "return 1.0"),
    Mutation(QUALITY, "NEGLIGIBLE * 2.0 * float(L.diagonal().max(initial=0.0))", "NEGLIGIBLE"),
    Mutation(
        QUALITY,
        "node_weights.max() / coarse_graph.node_weights.mean()",
        "node_weights.max() / coarse_graph.node_weights.min()",
    ),
    Mutation(QUALITY, "fine_graph.num_nodes <= BLOSSOM", "fine_graph.num_nodes < BLOSSOM"),
    Mutation(
        QUALITY, "(np.bincount(parent[first]) > 1).sum()", "(np.bincount(parent[first]) - 1).sum()"
    ),
)
