"""What a rehearsal cuts of the quantization study: every rounding and mitigation, few images and steps."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most

CUTS = Cuts(
    always={
        "epochs": at_most(1),
        "tune_epochs": at_most(1),
        "most": at_most(200),
        "ratio": at_most(4),
        "test_per_group": at_most(40),
        "calibration_images": at_most(64),
        "curvature_images": at_most(8),
        "trace_images": at_most(8),
        "probes": at_most(2),
        "trace_probes": at_most(2),
    },
    narrow={
        "most": at_most(16),
        "ratio": at_most(2),
        "test_per_group": at_most(4),
        "batch": at_most(8),
        "calibration_images": at_most(8),
        "curvature_images": at_most(2),
        "trace_images": at_most(2),
        "probes": at_most(1),
        "trace_probes": at_most(1),
    },
)
