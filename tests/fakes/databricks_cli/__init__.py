"""A stand-in for the `databricks` command: what it prints, asks and writes as far as bundles of jobs go.

    command = install_stand_in(tmp_path / "bin")
    environment = cli_environment(workspace.url, workspace.token, tmp_path / "cli")
    subprocess.run([command, "bundle", "deploy"], env=environment, cwd=bundle)

As fixtures, with the real command beside it: `fixtures.py`.
It follows what the real command was seen to do, and holds nothing of it. Faults for tests: `stand_in/faults.py`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

# Without the modules that Python looks for at its start, for deployments run the command hundreds of times. Each of
# them asks for the version, which is the same each time unless a test wants another one.
_START = """\
#!/bin/sh
if [ "$*" = "version -o json" ] && [ -z "$LJM_FAKE_CLI_VERSION$LJM_FAKE_CLI_HANG$LJM_FAKE_CLI_GARBAGE" ]; then
    echo {version}
    exit
fi
{program}"""
_PROGRAM = """\
program='import sys; sys.path += {path}; from stand_in.main import main; sys.exit(main(sys.argv[1:]))'
exec {python} -I -S -c "$program" "$@"
"""


def install_stand_in(folder: Path) -> Path:
    """Puts a `databricks` into a folder that runs the stand-in with this interpreter; gives the command's path."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "databricks"
    command.write_text(_START.format(version=shlex.quote(_version()), program=_program()))
    command.chmod(0o755)
    return command


def _program() -> str:
    path = [str(Path(__file__).parent), str(Path(yaml.__file__).parents[1])]
    return _PROGRAM.format(python=shlex.quote(sys.executable), path=json.dumps(path))


@cache
def _version() -> str:
    command = ["sh", "-c", _program(), "databricks", "version", "-o", "json"]
    return subprocess.run(command, env={}, check=True, capture_output=True, encoding="utf-8").stdout.rstrip("\n")


def cli_environment(host: str, token: str, folder: Path) -> dict[str, str]:
    """The environment for the real command and the stand-in: this workspace and nothing of the user's own.

    Args:
        host: The address of the fake workspace.
        token: Its token.
        folder: Where the command may keep what it caches; a bundle's local state stays beside its `databricks.yml`.
    """
    (folder / "home").mkdir(parents=True, exist_ok=True)
    configuration = folder / "databrickscfg"
    configuration.touch()
    foreign = ("DATABRICKS_", "BUNDLE_", "ARM_", "AZURE_", "GOOGLE_", "LJM_FAKE_CLI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    nowhere = "http://127.0.0.1:9"  # a workspace.host in a bundle wins over DATABRICKS_HOST: it must lead nowhere
    return {
        **{name: value for name, value in kept.items() if not name.lower().endswith("_proxy")},
        "HOME": str(folder / "home"),
        "DATABRICKS_HOST": host,
        "DATABRICKS_TOKEN": token,
        "DATABRICKS_CONFIG_FILE": str(configuration),
        "DATABRICKS_CACHE_DIR": str(folder / "cache"),
        "DATABRICKS_CLI_DISABLE_TELEMETRY": "1",
        "DATABRICKS_BUNDLE_ENGINE": "direct",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
    }
