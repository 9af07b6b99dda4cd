"""Searches over the parameters of a pipeline: every trial a run, the steps that trials share made once."""

from penstock.studies.asking import Asked, ask
from penstock.studies.events import (
    OnStudyEvent,
    StudyEnded,
    StudyEvent,
    StudyStarted,
    TrialEnded,
    TrialStarted,
    event_line,
    events_of,
)
from penstock.studies.means import How, Means
from penstock.studies.recorded import recorded_studies
from penstock.studies.recording import SEARCH, SearchRecord, recorded_search
from penstock.studies.searching import search
from penstock.studies.spaces import read_space, read_spaces
from penstock.studies.study import TRIAL, Study, Trial, summary, trial_json

__all__ = [
    "SEARCH",
    "TRIAL",
    "Asked",
    "How",
    "Means",
    "OnStudyEvent",
    "SearchRecord",
    "Study",
    "StudyEnded",
    "StudyEvent",
    "StudyStarted",
    "Trial",
    "TrialEnded",
    "TrialStarted",
    "ask",
    "event_line",
    "events_of",
    "read_space",
    "read_spaces",
    "recorded_search",
    "recorded_studies",
    "search",
    "summary",
    "trial_json",
]
