"""Draw a seed's prompts: by every method, with what is selected on validation records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from retrace.llm.prompts.frame import Example
from retrace.privacy.groups import by_hash
from retrace.privacy.mechanisms import best_of
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs, Output
from retrace.studies.prompts.dln import improve
from retrace.studies.prompts.drawing import Found, Rooms, fixed, privately
from retrace.studies.prompts.secret import masked, planted
from retrace.studies.prompts.setup import (
    INITIAL,
    LABELS,
    Record,
    answers,
    instructions,
    labels_of,
    methods,
    model_of,
    pools,
    private,
    texts_of,
)

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Results by method: the prompt, epsilon spent, polls as counts, how candidates ended.

    Candidates are compared on validation records: privately (the exponential mechanism, beside the initial
    instruction) or by the most right answers. Arrays: `demonstrations`, places in the pool of the balanced
    demonstrations. Scratch: prompts as bytes; in results words that a prompt takes from a record are masked.
    """
    found, model = pools(params, inputs), model_of(params)
    places = private(params, found, seed)
    records = [*(found.pool[i] for i in places), planted(params, seed)]
    names = LABELS[params.task]
    before = inputs["prepare"].read_arrays()
    given = [*before["pool/0"].argmax(1)[places], 0]
    examples = [Example(r.text, names[r.label], names[int(g)]) for r, g in zip(records, given, strict=True)]
    key = derive(seed, "prompts", "groups")
    cut = by_hash(texts_of(records), params.groups, key)
    groups = [[examples[i] for i in group] for group in cut]
    rooms = Rooms(model, params, groups, seed)
    own = next(g for g, group in enumerate(cut) if len(records) - 1 in group)  # of the planted record
    batch = [
        int(g) for g in generator(seed, "prompts", "batch").choice(len(groups), params.voters, replace=False)
    ]

    drawn = {"opt": fixed(rooms, batch), "one_group": fixed(rooms, [own])}
    drawn |= {name: privately(rooms, epsilon) for name, epsilon in methods(params).items()}
    largest = max(params.epsilons)
    drawn["random_votes"] = privately(rooms, largest, blind=True)
    if params.fresh:
        wide = by_hash(texts_of(records), params.voters, key)
        drawn[f"poisson_{largest:g}"] = privately(
            Rooms(model, params, [[examples[i] for i in group] for group in wide], seed),
            largest,
            fresh=params.fresh,
        )
    shuffled = [g for group in batch for g in cut[group]]
    mixed = generator(seed, "prompts", "shuffled").permutation(shuffled)
    swapped = dict(zip(shuffled, (examples[i].label for i in mixed), strict=True))
    control = [[Example(examples[i].text, swapped[i], examples[i].given) for i in cut[g]] for g in batch]
    drawn["shuffled"] = fixed(Rooms(model, params, control, seed), range(len(control)))
    shared = Rooms(model, params, [[examples[-1]]], seed)
    drawn["shared"] = fixed(shared, [0], copies=params.voters)

    rights = _validation(before, len(instructions(params.task)))
    seen: dict[str, int] = {INITIAL[params.task]: rights[0]}
    y, texts = labels_of(found.validation), texts_of(found.validation)

    def right(text: str) -> int:
        if text not in seen:
            seen[text] = int((answers(model, params, text, texts).values.argmax(1) == y).sum())
        return seen[text]

    results: dict[str, Any] = {}
    spent_by = methods(params) | {"random_votes": largest, f"poisson_{largest:g}": largest}
    for name, made in drawn.items():
        rng = generator(seed, "prompts", "selection", name)
        results[name] = _chosen(made, INITIAL[params.task], right, spent_by.get(name), rng)
    for name, epsilon in methods(params).items():
        rng = generator(seed, "prompts", "selection", f"pool_{name}")
        at = best_of(rights, epsilon, rng)
        results[name.replace("dp_", "pool_")] = {"public": at, "epsilon": epsilon}
    results["random"] = {"prompt": _noise(model.tokenizer, INITIAL[params.task], seed)}
    results["icl"] = {"prompt": INITIAL[params.task]}
    results["dln"] = asdict(improve(model, params, records, right, seed))
    own_texts = texts_of(records)
    scratch: dict[str, Array] = {}
    for name, about in results.items():
        if "prompt" in about:
            scratch[name] = np.frombuffer(about["prompt"].encode(), dtype=np.uint8)
            about["prompt"] = masked(about["prompt"], own_texts, INITIAL[params.task])
    shots = _balanced(found.pool, places, params.shots, len(names), seed)
    arrays: dict[str, Array] = {"demonstrations": np.array(shots, dtype=np.int64)}
    sizes = [len(group) for group in cut]
    about_groups = {
        "groups": len(cut),
        "records": len(records),
        "largest": max(sizes),
        "empty": sizes.count(0),
    }
    return Output(
        {"methods": results, "groups": about_groups, "computed": rooms.computed},
        arrays=arrays,
        scratch=scratch,
    )


def _chosen(
    made: Found, initial: str, right: Any, epsilon: float | None, rng: np.random.Generator
) -> dict[str, Any]:
    """The method's prompt; a private one is selected privately, on records that no vote has seen."""
    about = asdict(made)
    texts = about.pop("texts")
    kept = [initial, *texts] if epsilon is not None else (texts or [initial])
    counts = [right(text) for text in kept] if len(kept) > 1 else [0]
    at = best_of(counts, epsilon, rng) if epsilon is not None and len(kept) > 1 else int(np.argmax(counts))
    # validation records are no voters' records: the larger epsilon holds for all
    whole = max(made.epsilon, epsilon) if epsilon is not None and len(kept) > 1 else made.epsilon
    return {"prompt": kept[at], "candidates": len(texts), **about, "epsilon_with_selection": whole}


def _validation(before: dict[str, Array], count: int) -> list[int]:
    y = before["y/validation"]
    return [int((before[f"validation/{n}"].argmax(1) == y).sum()) for n in range(count)]


def _balanced(
    pool: Sequence[Record], places: Sequence[int], shots: int, classes: int, seed: int
) -> list[int]:
    """Places of the first `shots` private records of every class, in random order."""
    found: list[int] = []
    for label in range(classes):
        found += [i for i in places if pool[i].label == label][:shots]
    return [int(i) for i in generator(seed, "prompts", "shots").permutation(found)]


def _noise(tokenizer: Any, like: str, seed: int) -> str:
    """Random tokens, as many as `like` has."""
    length = len(tokenizer(like, add_special_tokens=False)["input_ids"])
    plain = sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids))
    return str(tokenizer.decode(generator(seed, "prompts", "random").choice(plain, size=length)))
