"""
Molecules in one batch
======================

Ten molecules are coarsened at once, each as it would be alone: beads of about four atoms.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

from multiscale_gcn import coarsen

# %%
# Atoms and bonds
# ---------------
#
# With RDKit or a data set of PyTorch Geometric you have these already:
# :class:`~multiscale_gcn.pyg.Coarsen` takes such a data set as it is. Here a few lines read what
# they need of SMILES. Double bonds weigh 2.


def molecule(smiles: str) -> nx.Graph:
    """Heavy atoms and their bonds."""
    graph = nx.Graph()
    open_rings: dict[str, int | None] = {}
    branches: list[int | None] = []
    last: int | None = None
    order = 1
    for letter in smiles:
        if letter == "=":
            order = 2
        elif letter == "(":
            branches.append(last)
        elif letter == ")":
            last = branches.pop()
        elif letter.isdigit() and letter in open_rings:
            graph.add_edge(last, open_rings.pop(letter), weight=order)
            order = 1
        elif letter.isdigit():
            open_rings[letter] = last
        else:
            atom = len(graph)
            graph.add_node(atom, element=letter)
            if last is not None:
                graph.add_edge(last, atom, weight=order)
            last, order = atom, 1
    return graph


SMILES = {
    "aspirin": "CC(=O)OC1=CC=CC=C1C(=O)O",
    "caffeine": "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "cholesterol": "CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C",
    "dopamine": "C1=CC(=C(C=C1CCN)O)O",
    "glucose": "C(C1C(C(C(C(O1)O)O)O)O)O",
    "ibuprofen": "CC(C)CC1=CC=C(C=C1)C(C)C(=O)O",
    "lidocaine": "CCN(CC)CC(=O)NC1=C(C=CC=C1C)C",
    "paracetamol": "CC(=O)NC1=CC=C(C=C1)O",
    "serotonin": "C1=CC2=C(C=C1O)C(=CN2)CCN",
    "testosterone": "CC12CCC3C(C1CCC2O)CCC4=CC(=O)CCC34C",
}
molecules = [molecule(smiles) for smiles in SMILES.values()]

# %%
# One batch
# ---------
#
# The batch is one graph without edges between its members. ``batch`` says which atom belongs to
# which, and none ever merges with an atom of another. ``members()`` takes the result apart again.

together = nx.disjoint_union_all(molecules)
batch = np.repeat(np.arange(len(molecules)), [len(graph) for graph in molecules])
hierarchy = coarsen(together, levels=2, batch=batch)
print(hierarchy)

members = hierarchy.members()
alone = coarsen(molecules[1], levels=2)
print("caffeine comes out as alone:", members[1].fingerprint == alone.fingerprint)

# %%
# The beads
# ---------
#
# Large discs are the nodes of the coarse graphs, and small ones the atoms: red for oxygen, blue
# for nitrogen.

INK = {"C": "0.25", "N": "tab:blue", "O": "tab:red"}
figure, grid = plt.subplots(2, 5, figsize=(12, 5.4), layout="constrained")
for axes, name, graph, beads in zip(grid.flat, SMILES, molecules, members, strict=True):
    layout = nx.kamada_kawai_layout(graph, weight=None)
    place = np.array([layout[atom] for atom in graph])
    parent = beads.parent(0, -1)
    centre = beads.coarse_positions(place, -1)
    for u, v in np.transpose(beads[-1].graph.edge_index()):
        axes.plot(*centre[[u, v]].T, color="#f2c14e", linewidth=7, zorder=0, solid_capstyle="round")
    for u, v, bond in graph.edges(data=True):
        axes.plot(*place[[u, v]].T, color="0.45", linewidth=1.3 * bond["weight"], zorder=2)
    hue = plt.get_cmap("Set3")(np.arange(len(centre)) % 12)
    axes.scatter(*centre.T, s=700, c=hue, edgecolors="#f2c14e", linewidths=2, zorder=1)
    axes.scatter(*place.T, s=34, zorder=3, edgecolors=hue[parent], linewidths=2,
                 c=[INK[element] for _, element in graph.nodes(data="element")])  # fmt: skip
    axes.set_title(f"{name}: {len(graph)} atoms, {len(centre)} beads", fontsize=10)
    axes.margins(0.15)
    axes.set_aspect("equal")
    axes.set_axis_off()
