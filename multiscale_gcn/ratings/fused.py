"""The formulas as source text for the kernels, which compute them edge by edge."""

from __future__ import annotations

import ast

from multiscale_gcn.ratings.formulas import FUSED, EdgeWeight
from multiscale_gcn.ratings.rating import Evaluated, Rating


def is_fused(rating: Rating) -> bool:
    """Whether the kernels know the formula, and need nothing else of the rating."""
    return type(rating) in FUSED


def code_of(rating: Rating) -> int:
    """By which the kernels know the formula of a rating that is evaluated as far as need be."""
    return FUSED.index(EdgeWeight if isinstance(rating, Evaluated) else type(rating))


def reads_inverse(code: int) -> bool:
    """Whether the formula reads inverse degrees in place of degrees."""
    return "inverse_degree" in FUSED[code].formula


def python_source() -> str:
    """A function ``rate(code, weight, u, v, scale, loop)``.

    ``scale`` holds the degrees, or their inverses where the formula reads these.
    """
    names = {
        f"{term}_{end}": f"{array}[{end}]"
        for term, array in (("degree", "scale"), ("inverse_degree", "scale"), ("loop", "loop"))
        for end in "uv"
    }
    *others, last = (_translated(rating.formula, names) for rating in FUSED)
    lines = [f"    if code == {code}:\n        return {text}" for code, text in enumerate(others)]
    head = "def rate(code, weight, u, v, scale, loop):"
    return "\n".join([head, *lines, f"    return {last}\n"])


def cuda_source() -> str:
    """Macros for CUDA: ``RATE``, an expression of ``p.code``, ``weight``, ``u``, ``v``, ``own``
    and ``degree``, and ``READS_INVERSE``.

    ``own`` is of u the degree, or its inverse where the formula reads that; ``degree`` is of v.
    The first formula is the weight, for which no kernel asks.
    """
    names = {
        "degree_u": "own",
        "degree_v": "degree",
        "inverse_degree_u": "own",
        "inverse_degree_v": "(1.0 / degree)",
        "loop_u": "p.loop[u]",
        "loop_v": "p.loop[v]",
    }
    *others, last = (_translated(rating.formula, names) for rating in FUSED)
    choices = [f"p.code == {code} ? {text} : " for code, text in enumerate(others)]
    rate = "".join(choices[1:]) + last
    inverse = [code for code in range(len(FUSED)) if reads_inverse(code)]
    reads = " || ".join(f"p.code == {code}" for code in inverse) or "false"
    return f"#define RATE ({rate})\n#define READS_INVERSE ({reads})\n"


def _translated(formula: str, names: dict[str, str]) -> str:
    """With other names, and numbers that are floats in every language."""
    tree = ast.parse(formula, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            node.value = float(node.value)
    return ast.unparse(tree)
