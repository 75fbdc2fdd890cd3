"""Double of claude-bottle's cache check: what its prepare step does before it packs.

Builds the agent image, takes the image ID that the engine gives it, and looks for the sidecar. Prints the path and
ends with 0 on a hit; prints what it looked for and ends with 1 where claude-bottle would start to pack.

Usage: ensure_smolmachine.py REPOSITORY
"""

import os
import subprocess
import sys
from pathlib import Path

CACHE_DIR = Path.home() / ".cache" / "claude-bottle" / "smolmachines"


def main() -> int:
    repository = sys.argv[1]
    image = os.environ.get("CLAUDE_BOTTLE_IMAGE", "claude-bottle:latest")
    CACHE_DIR.mkdir(parents=True, exist_ok=True)
    subprocess.run(["docker", "build", "-t", image, repository], check=True, stdout=sys.stderr)
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", image],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    digest = inspected.stdout.strip().split(":", 1)[-1][:16]
    sidecar = CACHE_DIR / f"{digest}.smolmachine.smolmachine"
    if sidecar.is_file():
        print(sidecar)
        return 0
    print(f"miss: {sidecar}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
