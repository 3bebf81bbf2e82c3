"""The wheel carries what a folder begins with: the default params and the sample, from where they are kept."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HOUSE = Path(__file__).parent


class Carrying(build_py):
    """Modules and their data, then params.yaml and sample/ inside pipeline/, where pipeline.params.shipped looks."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_file(str(HOUSE / "params.yaml"), str(Path(self.build_lib) / "pipeline" / "params.yaml"))
            self.copy_tree(str(HOUSE / "data" / "sample"), str(Path(self.build_lib) / "pipeline" / "sample"))


setup(cmdclass={"build_py": Carrying})
