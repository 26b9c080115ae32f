"""Fetch the JavaScript and CSS in the repository from their npm packages.

    python scripts/vendor.py                    fetch again what VENDORED.toml records
    python scripts/vendor.py bulma@1.0.5        move a package to another version
    python scripts/vendor.py bootstrap5.min.css@5.4.0    only one of its files

Each ``VENDORED.toml`` lists the files beside it: npm package, version, the file in the package, its
licence and its SHA-256. An entry with ``icons`` makes a template of each icon that it names, and
``subset`` leaves out what ``scripts/subset.py`` calls rare. The script needs ``npm``. After a
change, read the package's release notes and run the tests.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from subset import subset

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = [
    ROOT / "src/quickscale_dashboard/static/quickscale_dashboard/vendor/VENDORED.toml",
    ROOT / "src/quickscale/templates/quickscale/icons/VENDORED.toml",
    ROOT / "tests/assets/VENDORED.toml",
]
FIELDS = ["name", "package", "version", "source", "licence", "sha256"]
HEADER = "# Written by scripts/vendor.py. The licences' texts are in LICENSES.txt.\n"


def main(arguments: list[str]) -> int:
    wanted = dict(argument.rsplit("@", 1) for argument in arguments)
    manifests = {path: tomllib.loads(path.read_text())["file"] for path in MANIFESTS}
    files = [entry for entries in manifests.values() for entry in entries]
    known = {entry[key] for entry in files for key in ("package", "name")}
    if unknown := set(wanted) - known:
        print(f"Not vendored: {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    for path, entries in manifests.items():
        for entry in entries:
            moved = wanted.get(entry["name"], wanted.get(entry["package"]))
            entry["version"] = moved or entry["version"]
            content = b"".join(write(path.parent, entry))
            entry["sha256"] = hashlib.sha256(content).hexdigest()
            print(f"{entry['name']}: {entry['package']} {entry['version']}")
        path.write_text(HEADER + "".join(block(entry) for entry in entries))
    return 0


def write(folder: Path, entry: dict[str, Any]) -> Iterator[bytes]:
    """Write the files of an entry and yield their contents."""
    package = fetch(entry["package"], entry["version"])
    for icon in entry.get("icons", []):
        content = icon_template(icon, package[f"package/{entry['source']}/{icon}.svg"].decode())
        (folder / f"{icon}.svg").write_bytes(content)
        yield content
    if "icons" not in entry:
        content = package[f"package/{entry['source']}"]
        if entry.get("subset"):
            content = subset(content.decode(), *pages_and_styles()).encode()
        (folder / entry["name"]).write_bytes(content)
        yield content


def pages_and_styles() -> tuple[list[Path], list[Path]]:
    """Return our templates, and our own style sheets."""
    sources = ROOT / "src"
    pages = [*sources.rglob("*.html"), *(ROOT / "example_project").rglob("*.html")]
    return pages, [path for path in sources.rglob("*.css") if path.parent.name != "vendor"]


@cache
def fetch(package: str, version: str) -> dict[str, bytes]:
    """Return the files of a published package."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            return {name: file.read() for name, file in files.items() if file}


def icon_template(name: str, svg: str) -> bytes:
    """Return an icon that takes its size, stroke and colour from our style sheet."""
    shapes = "".join(re.findall(r"<(?!svg|!)[a-z]+ [^>]*/>", svg)).replace('" />', '"/>')
    start = f'<svg class="qs-icon qs-icon-{name}" viewBox="0 0 24 24" aria-hidden="true">'
    return f"{start}{shapes}</svg>".encode()


def block(entry: dict[str, Any]) -> str:
    lines = "".join(f'{field} = "{entry[field]}"\n' for field in FIELDS)
    if "icons" in entry:
        lines += "icons = [\n" + "".join(f'    "{icon}",\n' for icon in entry["icons"]) + "]\n"
    if entry.get("subset"):
        lines += "subset = true\n"
    return f"\n[[file]]\n{lines}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
