"""What the bundle of a job has to know of the job, so that it need not be built again for that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

UP = "../.."
"""From the folder of a bundle to the project's."""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What the bundle of a job has to know of it.

    Attributes:
        group: What names its bundle: the value of the tag that `bundles.by` means, else of the column of that name;
            empty where there is neither.
        refers_to: The keys of the jobs that its settings name.
        uploads: What the CLI has to upload for it, relative to the bundle's folder.
        libraries: The libraries of the project that it names; the folder, where a pattern stands for several.
    """

    key: str
    group: str = ""
    refers_to: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
