"""Fetch the JavaScript and CSS in the repository from their npm packages.

    python scripts/vendor.py                    fetch again what VENDORED.toml records
    python scripts/vendor.py bulma@1.0.5        move a package to another version
    python scripts/vendor.py bootstrap5.min.css@5.4.0    only one of its files

Each ``VENDORED.toml`` lists the files beside it: npm package, version, the file in the package, its
licence and its SHA-256. The script needs ``npm``. After a change, read the package's release notes
and run the tests.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = [
    ROOT / "src/quickscale_dashboard/static/quickscale_dashboard/vendor/VENDORED.toml",
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
            content = fetch(entry["package"], entry["version"], entry["source"])
            (path.parent / entry["name"]).write_bytes(content)
            entry["sha256"] = hashlib.sha256(content).hexdigest()
            print(f"{entry['name']}: {entry['package']} {entry['version']}")
        path.write_text(HEADER + "".join(block(entry) for entry in entries))
    return 0


def fetch(package: str, version: str, source: str) -> bytes:
    """Return one file of a published package."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
            member = archive.extractfile(f"package/{source}")
            if member is None:
                raise ValueError(f"{source} is not a file of {package} {version}.")
            return member.read()


def block(entry: dict[str, str]) -> str:
    return "\n[[file]]\n" + "".join(f'{field} = "{entry[field]}"\n' for field in FIELDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
