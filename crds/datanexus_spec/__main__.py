"""`python -m datanexus_spec [--check]`: write crds/*.yaml and docs/reference/resources.md, or say which are stale."""

import sys
from pathlib import Path

from datanexus_spec.crd import definition_text
from datanexus_spec.kinds import KINDS
from datanexus_spec.reference import reference_text

ROOT = Path(__file__).parents[2]


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    files = {
        ROOT / "crds" / f"{kind.lower()}s.yaml": definition_text(kind, resource) for kind, resource in KINDS.items()
    }
    files[ROOT / "docs" / "reference" / "resources.md"] = reference_text()
    return files


def main(arguments: list[str]) -> int:
    """Write the files; with --check only compare. Returns the exit code."""
    stale = [path for path, text in generated().items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what the types say; run `make generate`\n")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[path], "utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
