"""Records of mistakes, as one process sends them to another."""

from __future__ import annotations

import pickle
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, Severity, Suggestion, SuggestionKind

numbers = st.none() | st.integers(1, 9)
names = st.none() | st.text()
locations = st.builds(Location, st.text(), numbers, numbers, st.booleans(), numbers, numbers)
suggestions = st.builds(Suggestion, st.sampled_from(SuggestionKind), names | st.lists(st.text()), st.booleans())
diagnostics = st.builds(
    Diagnostic,
    *(st.sampled_from(Severity), st.text(), st.text(), locations, names, st.none() | suggestions, names, names, names),
)


@given(diagnostics)
def test_a_diagnostic_comes_out_of_another_process_with_all_that_it_says(diagnostic):
    other = pickle.loads(pickle.dumps(diagnostic, pickle.HIGHEST_PROTOCOL))
    assert [getattr(other, each.name) for each in fields(other)] == [
        getattr(diagnostic, each.name) for each in fields(diagnostic)
    ]
