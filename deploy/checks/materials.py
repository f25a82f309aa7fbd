"""Compares the data of `cargo auditable` in a binary with the expected data.

materials.py BINARY [--contains NAME...] [--bill CYCLONEDX]
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import zlib

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--contains", nargs="*", default=[])
parser.add_argument("--bill")
asked = parser.parse_args()

with tempfile.TemporaryDirectory() as folder:
    section = pathlib.Path(folder) / "section"
    subprocess.run(
        ["objcopy", "--dump-section", f".dep-v0={section}", asked.binary, f"{folder}/copy"],
        check=True,
    )
    audit = json.loads(zlib.decompress(section.read_bytes()))

# Crates that run in the service; those that only ran in its build are not included.
inside = {
    (package["name"], package["version"])
    for package in audit["packages"]
    if package.get("kind", "runtime") == "runtime"
}
print(f"seen: {len(inside)} crates in the binary")
names = {name for name, _ in inside}
for name in asked.contains:
    assert name in names, f"{name} is not in the binary"

if asked.bill:
    bill = json.loads(pathlib.Path(asked.bill).read_text())
    assert bill["bomFormat"] == "CycloneDX", bill["bomFormat"]
    parts = [bill["metadata"]["component"], *bill["components"]]
    listed = {(part["name"], part["version"]) for part in parts}
    print(f"seen: {len(listed)} crates in the bill of materials, CycloneDX {bill['specVersion']}")
    assert not inside - listed, f"only in the binary: {sorted(inside - listed)}"
    for part in bill["components"]:
        assert part.get("purl"), part["name"]
