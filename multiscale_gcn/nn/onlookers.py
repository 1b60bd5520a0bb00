"""Whether a module does what its class does, and nobody looks on: then its numbers may be read."""

from __future__ import annotations

from torch import nn
from torch.nn.modules import module as torch_module

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_HOOKS_OF_ALL = [getattr(torch_module, f"_global{name}") for name in HOOKS]


def is_watched(module: nn.Module) -> bool:
    """Whether a hook waits for the module itself to be called."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or any(_HOOKS_OF_ALL)
    )


def runs_as(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether calling the module does what one of these classes does, and nothing more.

    A class derived from it may hold its parameters in another way, as parametrizations do.
    """
    forward = type(module).forward
    for kind in kinds:
        if forward is kind.forward and isinstance(module, kind):
            return "forward" not in module.__dict__ and not is_watched(module)
    return False
