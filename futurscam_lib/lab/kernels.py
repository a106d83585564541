"""The kernels of the desk: one kind, the interpreter of the server itself, working for the server's home."""

from __future__ import annotations

from typing import Final

from ipykernel.kernelspec import RESOURCES
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec
from traitlets import Unicode

from futurscam_lib.runner.kernel import OwnInterpreter

HOME: Final = "futurscam_home"
"""Where a kernel's specification says which home it works for."""


class DeskKernels(OwnInterpreter):
    """Offers the one kernel, whatever kernels are installed in the folders that Jupyter looks into.

    Attributes:
        home: The home that the kernels work for. Whoever asks the server for its kernels learns it: the list of
            running servers knows their folders only, and a project may serve several homes.
    """

    home = Unicode(config=True)

    def find_kernel_specs(self) -> dict[str, str]:
        """The one, with the folder of its pictures."""
        return {NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The one, whatever it is called: an older notebook may name a kernel of another machine."""
        spec = super().get_kernel_spec(kernel_name).to_dict()
        # Called as the notebooks call theirs: by another name each would count as changed as soon as it is opened.
        return KernelSpec(**{**spec, "display_name": "Python 3", "metadata": {**spec["metadata"], HOME: self.home}})
