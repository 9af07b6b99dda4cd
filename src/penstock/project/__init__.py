"""A project: its configuration, and the composition of everything below with the stores and the engine it names."""

from penstock.project.experiments import Experiment
from penstock.project.project import Project, open
from penstock.project.runs import Run
from penstock.project.verification import Verification

__all__ = ["Experiment", "Project", "Run", "Verification", "open"]
