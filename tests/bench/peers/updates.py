"""Ten projects by copier: ``make`` writes the template with its two versions and copies the first; ``update`` goes on."""

import subprocess
import sys
from pathlib import Path

import copier

ANSWERS = "{{ _copier_conf.answers_file }}"


def make(template: Path, folder: Path, names: list[str]) -> None:
    """Two versions of the template in git, and a project of the first one for each name, in git too."""
    (template / "copier.yml").write_text("name:\n  type: str\n_templates_suffix: ''\n", encoding="utf-8")
    (template / f"{ANSWERS}.yml").unlink(missing_ok=True)
    (template / ANSWERS).write_text("{{ _copier_answers|to_nice_yaml -}}\n", encoding="utf-8")
    git(template, "init", "--quiet")
    commit(template, "v1")
    for file in template.rglob("api.py"):
        file.write_text(file.read_text(encoding="utf-8") + "\nGROWN = True\n", encoding="utf-8")
    commit(template, "v2")
    for name in names:
        target = folder / name
        copier.run_copy(str(template), target, data={"name": name}, vcs_ref="v1", defaults=True, quiet=True)
        git(target, "init", "--quiet")
        commit(target, "v1")


def update(folder: Path, names: list[str]) -> None:
    """Bring every project to the template's second version."""
    for name in names:
        copier.run_update(folder / name, vcs_ref="v2", defaults=True, quiet=True, overwrite=True)


def commit(folder: Path, tag: str) -> None:
    """Commit everything, and tag it."""
    git(folder, "add", "--all", "--force")
    git(folder, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "-m", tag)
    git(folder, "tag", tag)


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


if __name__ == "__main__":
    verb, template, folder, *names = sys.argv[1:]
    if verb == "make":
        make(Path(template), Path(folder), names)
    else:
        update(Path(folder), names)
