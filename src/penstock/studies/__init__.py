"""Searches over the parameters of a pipeline: every trial a run, the steps that trials share made once."""

from penstock.studies.asking import Asked, ask
from penstock.studies.events import OnStudyEvent, StudyEnded, StudyEvent, StudyStarted, TrialEnded, TrialStarted
from penstock.studies.recorded import recorded_studies
from penstock.studies.searching import How, Means, search
from penstock.studies.spaces import read_space
from penstock.studies.study import TRIAL, Study, Trial, summary, trial_json

__all__ = [
    "TRIAL",
    "Asked",
    "How",
    "Means",
    "OnStudyEvent",
    "Study",
    "StudyEnded",
    "StudyEvent",
    "StudyStarted",
    "Trial",
    "TrialEnded",
    "TrialStarted",
    "ask",
    "read_space",
    "recorded_studies",
    "search",
    "summary",
    "trial_json",
]
