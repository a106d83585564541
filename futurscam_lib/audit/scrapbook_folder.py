"""Lets scrapbook read all runs: `scrapbook.read_notebooks("runs")`, from the folder of the home.

scrapbook lists the notebooks of one folder through papermill, which does not look into sub-folders, and runs are kept
by month. pyproject.toml registers this handler with papermill for relative paths that start with `runs`.
"""

from __future__ import annotations

import os
from pathlib import Path

from papermill.iorw import LocalHandler


class RunsHandler(LocalHandler):
    """Reads and writes like papermill, but lists the notebooks of sub-folders, too."""

    def listdir(self, path: str) -> list[str]:
        """The notebooks below a folder; without Jupyter's checkpoints, which have the same names."""
        return [
            os.fspath(notebook)
            for notebook in sorted(Path(path).rglob("*.ipynb"))
            if not any(part.startswith(".") for part in notebook.relative_to(path).parts)
        ]


handler = RunsHandler()  # type: ignore[no-untyped-call] # papermill has no types
