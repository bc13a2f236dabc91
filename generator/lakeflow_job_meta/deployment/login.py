"""The workspace that a target of the bundle is for, and whether the login is one to it.

The databricks CLI takes the workspace from the bundle. What goes through the SDK takes it from the environment, so that
the two may differ, and jobs of one workspace be looked for, or created, in another.
"""

from __future__ import annotations

import os

from lakeflow_job_meta.config.bundle import BundleDeclarations, read_bundle_declarations, target_named
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.workspace.address import address_of_profile
from lakeflow_job_meta.workspace.client import Workspace


def workspace_of_target(project: Project, target: str | None) -> Workspace:
    """Returns the workspace of a target of the bundle: by the profile that the bundle names, or that of the login.

    Raises:
        ConfigError: There is no login, or it is one to another workspace than the bundle names.
    """
    declared, named = read_bundle_declarations(project), target_named(target)
    if (profile := declared.workspace(named).get("profile")) and "${" not in profile:
        return Workspace.of_profile(profile)
    workspace = Workspace()
    refuse_another_workspace(declared, named, workspace)
    return workspace


def refuse_another_workspace(declared: BundleDeclarations, target: str | None, workspace: Workspace) -> None:
    """Raises ConfigError where the bundle names another workspace for a target, by host or by profile.

    What is named by a variable, or by a profile that this machine does not have, as in a job, tells nothing.
    """
    said = declared.workspace(target)
    host, profile = said.get("host", ""), said.get("profile", "")
    if profile and "${" not in profile:
        host = address_of_profile(profile, os.environ) or host
    host = host.rstrip("/")
    if host and "${" not in host and host.casefold() != workspace.host.rstrip("/").casefold():
        raise ConfigError(
            f"The login is one to {workspace.host}, but the bundle names {host} for this target. Set "
            "DATABRICKS_CONFIG_PROFILE to a profile of that workspace."
        )
