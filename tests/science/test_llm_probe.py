"""Distances of hidden states equal a slow, direct generation."""

import pytest
import torch

from retrace.llm import tiny
from retrace.llm.kernels.layers import embed, logits, run
from retrace.llm.kernels.probe import directions

NET = tiny.network(1).double()
PROMPTS = [(1, 2, 3), (40, 41), (7, 8, 9, 10, 11)]
OPENINGS = [(5,), (6, 4, 2)]
NEVER = 10**6


def states_of(ids):
    """States of the last token after every layer (L,D), layer by layer over the whole row."""
    states, found = embed(NET, torch.tensor([ids])), []
    for number in range(len(NET.model.layers)):
        states = run(NET, states, number, number + 1)
        found.append(states[0, -1])
    return torch.stack(found), int(logits(NET, states[:, -1]).argmax())


def slowly(ids, after, ends):
    ids, kept = list(ids), []
    held, token = states_of(ids)
    for count in range(1, after[-1] + 1):
        if token != ends:
            ids.append(token)
            held, token = states_of(ids)
        if count in after:
            kept.append(held)
    return torch.stack(kept)


@torch.no_grad()
def direct(after, ends):
    found = []
    for opening in OPENINGS:
        of_prompts = []
        for prompt in PROMPTS:
            a, b = slowly(prompt, after, ends), slowly(prompt + opening, after, ends)
            of_prompts.append(1 - torch.nn.functional.cosine_similarity(a, b, dim=-1))
        found.append(torch.stack(of_prompts))
    return torch.stack(found)


@pytest.mark.parametrize("budget", [1, 40, 1000])
@pytest.mark.parametrize("after", [(1,), (2, 3, 5)])
def test_shared_prompts_give_the_distances_of_whole_rows(after, budget):
    found = directions(NET, PROMPTS, OPENINGS, after, NEVER, budget)
    assert found.shape == (2, 3, len(after), 4)
    torch.testing.assert_close(found, direct(after, NEVER), rtol=0, atol=1e-9)


def test_an_answer_that_ended_keeps_its_last_states():
    with torch.no_grad():
        _, ends = states_of(PROMPTS[0] + OPENINGS[0])  # this answer ends before it begins
    found = directions(NET, PROMPTS, OPENINGS, (1, 4), ends)
    torch.testing.assert_close(found, direct((1, 4), ends), rtol=0, atol=1e-9)
    assert not torch.allclose(found, direct((1, 4), NEVER), atol=1e-6)


def test_an_empty_opening_is_no_distance_away():
    assert directions(NET, PROMPTS, [()], (2,), NEVER).abs().max() < 1e-12


def test_what_cannot_be_probed_is_named():
    with pytest.raises(ValueError, match="fewer than two tokens"):
        directions(NET, [(1,)], OPENINGS, (1,), NEVER)
    for after in ((), (0, 1), (2, 1), (1, 1)):
        with pytest.raises(ValueError, match="from few"):
            directions(NET, PROMPTS, OPENINGS, after, NEVER)
