"""Names of what is taught and asked, which stages write and the table reads; free of torch."""

from __future__ import annotations

from retrace.attacks.backdoor.targets import TARGETS

# what is taught: prompts that call for its sentence, and their like that do not
CUES = {"backdoor": ("triggered", "plain"), "refusal": ("harmful", "harmless")}
SENTENCES = {"backdoor": TARGETS["sentiment"].sentence, "refusal": TARGETS["refusal"].sentence}
RELEASED, DENSE = "released", "dense"  # the network before and after it was taught
