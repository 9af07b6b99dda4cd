"""Workflow pipelines: declare steps, plan what is stale, run it on an engine, explain why."""

from penstock.pipelines.bases import basis
from penstock.pipelines.cancelling import cancel_run
from penstock.pipelines.choosing import optional, when
from penstock.pipelines.comparing import Comparison, Difference, MetricComparison, StepComparison, compare
from penstock.pipelines.component import Component, component
from penstock.pipelines.deciding import approve, may_go_on, reject, waiting_step
from penstock.pipelines.declare import StepFunction, step
from penstock.pipelines.declining import REQUEST, Unmade, decline, is_quiet, wait_for
from penstock.pipelines.events import Event, OnEvent, RunEnded, RunStarted, StepEnded, StepMapped, StepStarted
from penstock.pipelines.executing import execute, new_run_id
from penstock.pipelines.explaining import why
from penstock.pipelines.finals import Finals, final_metrics, finals_of, maker
from penstock.pipelines.liveness import GONE, HOST, alive, drives, driving, reap
from penstock.pipelines.logkeeping import MOST_BYTES, LogKeeper
from penstock.pipelines.loglines import PIECE_BYTES, LogLine, LogReader, left_out, pieces, read_piece
from penstock.pipelines.mapping import unmapped
from penstock.pipelines.metrics import Curve, curves, in_step, log_metric, metrics_file, read_metrics
from penstock.pipelines.modes import Mode
from penstock.pipelines.observed import note, note_file, observe
from penstock.pipelines.pipeline_function import PipelineFunction, PipelineParameter, check_params, pipeline, trace
from penstock.pipelines.planning import Plan, PlannedStep, plan
from penstock.pipelines.pulse import Pulse
from penstock.pipelines.replaying import Replay, rebuild, replay
from penstock.pipelines.resuming import asked, resumable
from penstock.pipelines.run_drawing import draw_run
from penstock.pipelines.runlogs import LogQuery, follow_run, plain, run_lines, step_of, steps_of
from penstock.pipelines.selection import Names, lenders, select
from penstock.pipelines.services import ImageRef, Services
from penstock.pipelines.sharing import SharedEngine
from penstock.pipelines.spanned import spans
from penstock.pipelines.starting import START_SECONDS, start_run
from penstock.pipelines.tagging import find_runs, tag_run
from penstock.pipelines.tracing import given_before
from penstock.pipelines.wiring import Node, Pipeline, node, parameter
from penstock.pipelines.working import run_task

__all__ = [
    "GONE",
    "HOST",
    "MOST_BYTES",
    "PIECE_BYTES",
    "REQUEST",
    "START_SECONDS",
    "Comparison",
    "Component",
    "Curve",
    "Difference",
    "Event",
    "Finals",
    "ImageRef",
    "LogKeeper",
    "LogLine",
    "LogQuery",
    "LogReader",
    "MetricComparison",
    "Mode",
    "Names",
    "Node",
    "OnEvent",
    "Pipeline",
    "PipelineFunction",
    "PipelineParameter",
    "Plan",
    "PlannedStep",
    "Pulse",
    "Replay",
    "RunEnded",
    "RunStarted",
    "Services",
    "SharedEngine",
    "StepComparison",
    "StepEnded",
    "StepFunction",
    "StepMapped",
    "StepStarted",
    "Unmade",
    "alive",
    "approve",
    "asked",
    "basis",
    "cancel_run",
    "check_params",
    "compare",
    "component",
    "curves",
    "decline",
    "draw_run",
    "drives",
    "driving",
    "execute",
    "final_metrics",
    "finals_of",
    "find_runs",
    "follow_run",
    "given_before",
    "in_step",
    "is_quiet",
    "left_out",
    "lenders",
    "log_metric",
    "maker",
    "may_go_on",
    "metrics_file",
    "new_run_id",
    "node",
    "note",
    "note_file",
    "observe",
    "optional",
    "parameter",
    "pieces",
    "pipeline",
    "plain",
    "plan",
    "read_metrics",
    "read_piece",
    "reap",
    "rebuild",
    "reject",
    "replay",
    "resumable",
    "run_lines",
    "run_task",
    "select",
    "spans",
    "start_run",
    "step",
    "step_of",
    "steps_of",
    "tag_run",
    "trace",
    "unmapped",
    "wait_for",
    "waiting_step",
    "when",
    "why",
]
