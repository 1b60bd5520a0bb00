"""What the kernel of a whole network does: a list of sums of products."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace

from multiscale_gcn.ops.whole_network.preparation import Matrix, Preparation, Vectors


@dataclass(frozen=True, eq=False)
class Features:
    """Those of one graph, [nodes, channels], which are made once and then read."""

    nodes: int
    channels: int


@dataclass(frozen=True)
class Product:
    """X W, every row times a number if ``rows`` is given."""

    x: Features
    weights: Matrix
    rows: Vectors | None = None


@dataclass(frozen=True)
class Mix:
    """A Z with a matrix of nodes."""

    z: Features
    matrix: Matrix


@dataclass(frozen=True)
class Attention:
    """A Z with A_ij = max(0, s_i + t_j) / N.

    Z has the values in its first channels, then s, then t.
    """

    z: Features


@dataclass(frozen=True)
class Read:
    target: Features
    end: int


@dataclass(frozen=True)
class Write:
    source: Features
    end: int


@dataclass(frozen=True)
class Make:
    """``target`` is f(product + nodes, scaled and shifted) + add, with a ReLU or nothing as f.

    It is an output too if ``end`` is given.
    """

    target: Features
    product: Product | None = None
    nodes: Mix | Attention | None = None
    vectors: Vectors | None = None
    node_shift: Vectors | None = None
    relu: bool = False
    add: Features | None = None
    end: int | None = None

    def multiplied(self) -> list[Features]:
        """What is read as a whole before any of the target is made."""
        found = [] if self.product is None else [self.product.x]
        return found if self.nodes is None else [*found, self.nodes.z]


Instruction = Read | Write | Make


@dataclass
class Program:
    """Instructions, in their order, and the parameters that they read.

    Attributes
    ----------
    inputs, outputs : list of Features
        In the order of the network's inputs and outputs.
    """

    preparation: Preparation = field(default_factory=Preparation)
    instructions: list[Instruction] = field(default_factory=list)
    inputs: list[Features] = field(default_factory=list)
    outputs: list[Features] = field(default_factory=list)

    def read(self, nodes: int, channels: int) -> Features:
        """The next input."""
        made = Features(nodes, channels)
        self.instructions.append(Read(made, len(self.inputs)))
        self.inputs.append(made)
        return made

    def write(self, features: Features) -> None:
        """The next output."""
        end = len(self.outputs)
        for place, each in enumerate(self.instructions):
            if isinstance(each, Make) and each.target is features and each.end is None:
                self.instructions[place] = replace(each, end=end)
                break
        else:
            self.instructions.append(Write(features, end))
        self.outputs.append(features)

    def make(
        self,
        nodes: int,
        channels: int,
        product: Product | None = None,
        mix: Mix | Attention | None = None,
        *,
        vectors: Vectors | None = None,
        node_shift: Vectors | None = None,
        relu: bool = False,
        add: Features | None = None,
    ) -> Features:
        """New features, see :class:`Make`."""
        made = Features(nodes, channels)
        self.instructions.append(Make(made, product, mix, vectors, node_shift, relu, add))
        return made


def shape_of(program: Program) -> tuple[object, ...]:
    """All that plans of a program depend on, which programs of like networks have in common."""
    numbers: dict[Features, tuple[int, int, int]] = {}

    def known(part: object) -> object:
        if isinstance(part, Features):
            return numbers.setdefault(part, (len(numbers), part.nodes, part.channels))
        if is_dataclass(part):
            return (type(part), *(known(getattr(part, field.name)) for field in fields(part)))
        return part

    return tuple(map(known, program.instructions))


def read_by(instruction: Instruction) -> list[Features]:
    """All features that it reads."""
    if isinstance(instruction, Read):
        return []
    if isinstance(instruction, Write):
        return [instruction.source]
    added = [] if instruction.add is None else [instruction.add]
    return [*instruction.multiplied(), *added]
