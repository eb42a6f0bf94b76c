"""What a rehearsal cuts of the quantization study: every rounding and mitigation, few images and steps.

Faces are not drawn: CIFAR-10 in pairs of classes stands for them, so differences in treatment are left out.
"""

from __future__ import annotations

from retrace.cuts import Cuts, Cutting, Params, at_most, exactly, only

METHODS = ("fp32", "ptq_3", "enlarged_3", "smaller_fp32")  # curvature, and every network that is trained
MITIGATIONS = ("qat_3", "lsq_3", "mixed_3_over", "pruned_3")


def _by_network(params: Params) -> dict[str, Cutting]:
    """Everything on the small network; on the cell's own one of each kind, since each takes it a minute."""
    return {
        "everything": {"network": exactly("cnn"), "smaller": exactly("thin-cnn")},
        params["network"]: {
            "methods": only(*METHODS),
            "mitigations": only(*MITIGATIONS),
            "pictured": exactly(["fp32"]),
        },
    }


CUTS = Cuts(
    always={
        "dataset": lambda name: name or "cifar10",
        "attributed": exactly(None),
        "groups": lambda kind: "pairs" if kind == "attribute" else kind,
        "learning_rate": at_most(0.01),  # a few steps at the sheet's rate leave statistics to fold that
        "tune_rate": at_most(1e-4),  # make a network without batch norms diverge
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
    parts=_by_network,
)
