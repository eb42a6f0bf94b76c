"""Networks that stand for checkpoints of the hub in a rehearsal: one of each class, ready for a run."""

from __future__ import annotations

import pytest
import torch

from retrace.data.texts.keywords import TOPICS
from retrace.llm.checkpoints import CHECKPOINTS
from retrace.llm.encoders import Pretrained
from retrace.nets.layernorms import find
from retrace.nets.parts import apply
from retrace.rehearsal.checkpoints import standing_in, write_checkpoint
from retrace.rehearsal.stand_ins import STAND_INS


def test_every_checkpoint_of_the_hub_or_timm_has_a_stand_in():
    assert set(STAND_INS) == {name for name, about in CHECKPOINTS.items() if about.hub or about.timm}


@pytest.mark.parametrize("name", STAND_INS)
def test_a_stand_in_is_read_as_the_checkpoint(name, tmp_path, monkeypatch):
    about = CHECKPOINTS[name]
    write_checkpoint(tmp_path, name)
    monkeypatch.setitem(CHECKPOINTS, name, about)  # put back afterwards
    pretrained = standing_in(name, tmp_path, lambda: Pretrained(name))
    net = pretrained.network(6, seed=0)
    norms = [norm.layer for norm in find(net.backbone) if norm.layer is not None]
    assert norms == [layer for layer in range(about.layers) for _ in range(2)]
    assert apply(net.backbone, "others", "early", True, True, True, seed=0).held
    if about.images:
        inputs = {"pixel_values": torch.zeros(2, 3, 224, 224, dtype=torch.uint8)}
    else:
        inputs = pretrained.encode(["a goal", "the team was here"], 32)
        tokens = pretrained.tokens(list(TOPICS))
        assert len(set(tokens.tolist())) == len(TOPICS)
        assert pretrained.network(6, 0, tokens)(inputs).shape[1] > int(tokens.max())
    assert net(inputs).shape == (2, 6)
    assert torch.isfinite(net(inputs)).all()
