"""Variables of the bundle that jobs use and that still have the value of an example, reported where that stands.

No such job can run. Looks at the generated texts, so that no job has to be built for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lakeflow_job_meta._internal.text import is_placeholder, listing, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations, VariableValue
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules import PLACEHOLDER


def placeholder_values(bundle: BundleDeclarations, compilation: Compilation) -> Iterator[Diagnostic]:
    """Yields the placeholders among the values of variables; errors where an id is one in every target.

    A target that has a real id can be deployed, and elsewhere only an id is sure to be of no use: these are warnings.
    """
    targets: list[str | None] = [*sorted(bundle.targets or ())]
    for name in sorted({name for (name, _), value in bundle.values.items() if is_placeholder(value.text or "")}):
        given = {target: bundle.value_of(name, target) for target in targets or [None]}
        wrong = {target: each for target, each in given.items() if each is not None and is_placeholder(each.text or "")}
        reference = f"${{var.{name}}}"
        using = {file.job_key: text for file, text in compilation.files.items() if reference in text} if wrong else {}
        is_id = any(f'_id: "{reference}"' in text for text in using.values())
        severity = Severity.ERROR if is_id and len(wrong) == len(given) else Severity.WARNING
        for value in dict.fromkeys(wrong.values()) if using else ():
            of_it = [str(target) for target, each in wrong.items() if each == value]
            where = f" in {listing(of_it)}" if len(of_it) < len(given) else ""
            message = (
                f"the variable {quoted(name)}, used by {listing(using, 3)}, is still the placeholder "
                f"{quoted(value.text)}{where}; give it a value or a 'lookup', or none, and the CLI asks for it"
            )
            yield replace(PLACEHOLDER, severity=severity).at(_place(value), message)


def _place(value: VariableValue) -> SourceRef:
    return SourceRef(value.document or UnreadableDocument(value.file), value.path)
