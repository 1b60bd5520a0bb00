"""A whole network in evaluation as one kernel, behind one that arranges its parameters.

In evaluation the members of a batch have nothing to do with each other, so a block of threads takes
one member, keeps all its features in shared memory, and walks along a :class:`Program`. ``program``
says what that is, ``memory`` where features lie, ``encoding`` how kernels are told, and ``on_cuda``
launches them.
"""

from multiscale_gcn.ops.whole_network.on_cuda import hindrance, loss, run_program
from multiscale_gcn.ops.whole_network.preparation import Preparation, Vectors
from multiscale_gcn.ops.whole_network.program import Attention, Features, Mix, Product, Program

__all__ = [
    "Attention",
    "Features",
    "Mix",
    "Preparation",
    "Product",
    "Program",
    "Vectors",
    "hindrance",
    "loss",
    "run_program",
]
