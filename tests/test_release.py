"""Files that say the same twice say the same: versions, extras, Pythons, links, forms."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import multiscale_gcn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = ["3.11", "3.12", "3.13"]
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
needs_hatchling = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed"
)


def loaded(path: str) -> Any:
    # GitHub's "on" is YAML 1.1's True.
    return yaml.safe_load((ROOT / path).read_text())


def normal(requirements: list[str]) -> set[str]:
    return {re.sub(r"\s", "", requirement).lower() for requirement in requirements}


def test_the_version_is_the_same_everywhere() -> None:
    version = multiscale_gcn.__version__
    assert loaded("CITATION.cff")["version"] == version
    assert loaded("recipe/recipe.yaml")["context"]["version"] == version
    sections = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "Unreleased" or sections[0] == version
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version)


def test_the_licence_is_the_same_everywhere() -> None:
    licence = PROJECT["project"]["license"]
    about = loaded("recipe/recipe.yaml")["about"]
    assert loaded("CITATION.cff")["license"] == about["license"] == licence
    (path,) = PROJECT["project"]["license-files"]
    assert about["license_file"] == path
    assert "Apache License" in (ROOT / path).read_text()


def test_the_conda_recipe_needs_what_the_package_needs() -> None:
    recipe, project = loaded("recipe/recipe.yaml"), PROJECT["project"]
    python = "python" + project["requires-python"]
    assert recipe["package"]["name"] == project["name"]
    assert recipe["package"]["version"] == "${{ version }}"
    assert recipe["about"]["summary"] == project["description"]
    needed = recipe["requirements"]
    assert normal(needed["run"]) == normal([python, *project["dependencies"]])
    assert normal(needed["host"]) == normal([python, "pip", *PROJECT["build-system"]["requires"]])
    scripts = [f"{name} = {what}" for name, what in project["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    for test in recipe["tests"]:
        for command in test.get("script", ()):
            program, *arguments = shlex.split(command)
            assert program == "python"
            subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT)


def test_the_pythons_are_those_that_run_the_tests() -> None:
    classifiers = PROJECT["project"]["classifiers"]
    told = [
        name.rpartition(" ")[2] for name in classifiers if re.search(r"Python :: 3\.\d+$", name)
    ]
    assert told == PYTHONS
    assert loaded(".github/workflows/ci.yml")["jobs"]["all"]["strategy"]["matrix"]["python"] == told
    assert PROJECT["project"]["requires-python"] == f">={told[0]}"
    assert PROJECT["tool"]["mypy"]["python_version"] == told[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + told[0].replace(".", "")
    for page in ("README.md", "docs/install.md"):
        assert f"Python {told[0]} or newer" in (ROOT / page).read_text()


def test_every_extra_is_told_and_every_told_extra_is_there() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == extras
    readme = (ROOT / "README.md").read_text().split("Extras: ")[1].split("\n\n")[0]
    beside = {"multiscale_gcn.nn", "ops"}
    assert set(re.findall(r"`([\w.]+)`", readme)) - beside == extras
    for path in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("multiscale_gcn/**/*.py")]
    ):
        for group in re.findall(r"(?:'\.|multiscale-gcn)\[([\w,]+)\]", path.read_text()):
            assert set(group.split(",")) <= extras, path


def test_a_release_is_tested_built_and_published_without_a_password() -> None:
    release = loaded(".github/workflows/release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}
    jobs = release["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert "workflow_call" in loaded(".github/workflows/ci.yml")[True]
    assert set(jobs["publish"]["needs"]) == {"test", "build"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert release["permissions"] == {"contents": "read"}
    runs = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert runs == ['bash .ci/release "$GITHUB_REF_NAME"']
    assert "secrets" not in (ROOT / ".github/workflows/release.yml").read_text()
    script = (ROOT / ".ci" / "release").read_text()
    assert "twine check --strict" in script
    assert ".ci/check_wheel.py" in script
    subprocess.run(["bash", "-n", ROOT / ".ci" / "release"], check=True)


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")))
def test_forms_of_issues_are_forms(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= set(content)
    ids = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert any(field.get("validations", {}).get("required") for field in content["body"])
    for field in content["body"]:
        assert "label" in field["attributes"] or field["type"] == "markdown"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_hatchling
def test_links_of_what_is_published_are_absolute_and_lead_to_files(hook, monkeypatch) -> None:
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    monkeypatch.setenv("GITHUB_SERVER_URL", "https://host.invalid")
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/something")
    core = ProjectMetadata(str(ROOT), PluginManager()).core
    base = "https://host.invalid/somebody/something"
    at = rf"{base}/(?:blob|raw|tree)/v{re.escape(multiscale_gcn.__version__)}/"
    links = re.findall(r"\]\(([^)]*)\)", core.readme)
    own = [re.sub(at, "", link) for link in links if link.startswith(base)]
    assert len(own) > 10
    assert all((ROOT / link.partition("#")[0]).exists() for link in own)
    assert all(link.startswith("https://") for link in links)
    assert f"]({base}/raw/v" in core.readme, "pictures are files, not pages about them"
    assert core.urls["Repository"] == base
    for link in core.urls.values():
        within = re.sub(at, "", link)
        assert within in (base, f"{base}/issues") or (ROOT / within).exists()


@needs_hatchling
def test_a_build_elsewhere_has_the_readme_as_it_stands(hook, monkeypatch) -> None:
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    core = ProjectMetadata(str(ROOT), PluginManager()).core
    assert core.readme == (ROOT / "README.md").read_text()
    assert not core.urls


@needs_hatchling
def test_only_links_to_files_are_made_absolute(hook) -> None:
    text = "![p](a/b.png) [t\nt](c.md#d) [up](#top) [w](https://e.org)"
    assert hook.absolute(text, "https://r", "v1") == (
        "![p](https://r/raw/v1/a/b.png) [t\nt](https://r/blob/v1/c.md#d) [up](#top) "
        "[w](https://e.org)"
    )


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
)
def test_links_between_files_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]*)\)", (ROOT / page).read_text())
    for link in links:
        if not re.match(r"[a-z]+:|#", link):
            assert (ROOT / link.partition("#")[0]).exists(), link
