"""What this process runs on: chosen at its start, and told in its reports."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from multiscale_gcn import __version__
from multiscale_gcn.checks.arguments import one_of


@dataclass(frozen=True)
class MachineOptions:
    """What to run on."""

    device: str = "auto"
    """auto: a GPU where there is one; or a PyTorch device such as cpu, cuda, cuda:1."""
    threads: int = 1
    """Processor threads of PyTorch. On a CPU a run gives the same bits only for the same number,
    so it does not depend on how many cores there are."""
    precision: Literal["float32", "tf32"] = "float32"
    """Of products of matrices on a GPU: tf32 keeps ten bits of each factor and is faster."""

    def prepare(self) -> torch.device:
        """Set the number of threads of this process, and choose the device.

        Raises
        ------
        ValueError
            When the device is unknown or PyTorch cannot use it, or when threads is below 1.
        """
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        one_of(self.precision, "precision", ("float32", "tf32"))
        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError:
            raise ValueError(f"device {self.device!r} is unknown; use auto, cpu or cuda") from None
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f"device {self.device!r} cannot be used: PyTorch {torch.__version__} sees no GPU "
                "here; use auto or cpu"
            )
        try:
            torch.empty(0, device=device)
        except (RuntimeError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"device {self.device!r} cannot be used: {reason}; use auto, cpu or cuda"
            ) from error
        return device


def describe_machine(device: torch.device) -> dict[str, str]:
    """The processor, its threads, the GPU if one is used, and the versions that matter."""
    return {
        "processor": f"{_processor()}, threads used: {torch.get_num_threads()}",
        "device": _gpu(device) if device.type == "cuda" else "CPU only",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "multiscale-gcn": __version__,
    }


def in_one_line(machine: Mapping[str, str]) -> str:
    """What :func:`describe_machine` returns as a line of text.

    Examples
    --------
    >>> from examples.hgn_pose.commands.machine import in_one_line
    >>> in_one_line({"processor": "Z80", "system": "CP/M", "Python": "3.11"})
    'Z80, CP/M, Python 3.11'
    """
    return ", ".join(
        value if name in ("processor", "device", "system") else f"{name} {value}"
        for name, value in machine.items()
    )


def _gpu(device: torch.device) -> str:
    tf32 = torch.get_float32_matmul_precision() != "highest"
    return torch.cuda.get_device_name(device) + (" (TF32)" if tf32 else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
