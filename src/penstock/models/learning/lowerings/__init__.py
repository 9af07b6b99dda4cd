"""Estimators as tensors: what each learner's method estimates, in core ONNX operators and double precision."""
