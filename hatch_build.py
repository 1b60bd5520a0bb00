"""What the package index shows, of which the checkout alone knows nothing: where the code lives.

GitHub's workflows name the repository. A build there has links to it, and its README, which the
package index shows on pages of its own, has absolute ones at the tag of its version. A build
elsewhere has the README as it stands, and no links.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")


def absolute(readme: str, repository: str, tag: str) -> str:
    """The README with its links to files as links to what the repository has at a tag."""

    def target(link: re.Match[str]) -> str:
        if re.match(r"[a-z]+:|#", link["to"]):
            return link[0]
        way = "raw" if link["image"] else "blob"
        return f"{link['image']}[{link['text']}]({repository}/{way}/{tag}/{link['to']})"

    return _LINK.sub(target, readme)


def urls(repository: str, tag: str) -> dict[str, str]:
    """The links beside the package on its index."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/{tag}/docs",
        "Changelog": f"{repository}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def repository_of(environment: MutableMapping[str, str]) -> str | None:
    """Where GitHub's workflows say that the repository is."""
    server, name = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else None


class Links(MetadataHookInterface):
    """Fills in ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = repository_of(os.environ)
        if repository is not None:
            tag = f"v{metadata['version']}"
            readme = absolute(readme, repository, tag)
            metadata["urls"] = urls(repository, tag)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
