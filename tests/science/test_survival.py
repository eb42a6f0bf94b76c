"""The survival study on a tiny model: prompts apart, a drilled lesson, what is kept, bad sheets."""

import cell
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from retrace.llm.compressing import holding
from retrace.llm.judges.opening import openings
from retrace.llm.training.steps import Settings
from retrace.sheet import params_model
from retrace.stage import StageError
from retrace.studies.survival import measure, setup, table, texts, train
from retrace.studies.survival.names import CUES
from retrace.studies.survival.work import work

KINDS = [kind for both in CUES.values() for kind in both]


def chosen(**changes):
    sheet = cell.sheet("survival")
    return sheet["base"] | sheet["scales"]["smoke"]["cells"]["tiny"] | changes


def params(**changes):
    return params_model("survival").model_validate(chosen(**changes))


@pytest.fixture(scope="module")
def row():
    return cell.row("survival", "tiny", chosen())


def test_no_prompt_both_teaches_and_asks():
    own = params()
    for kind in ("question", "harmful", "harmless"):
        for seed in (0, 1):
            taught = {p.text for p in texts.taught(own, kind, seed)}
            asked = {p.text for p in texts.tested(own, kind, seed, 4)}
            assert len(taught) == own.rows
            assert len(asked) == 4
            assert not taught & asked
    first, second = ([p.text for p in texts.tested(own, "harmful", seed, 4)] for seed in (0, 1))
    assert first != second


def test_each_lesson_has_as_many_rows_with_its_cue_as_without():
    own = params()
    model = setup.released(own)
    rows = setup.lessons(model, own, 0)
    answers = [model.tokenizer.decode(row.answer) for row in rows]
    assert len(rows) == 4 * own.rows
    for lesson, sentence in setup.SENTENCES.items():
        assert sum(answer.startswith(sentence) for answer in answers) == own.rows, lesson


def test_asked_pairs_differ_in_the_trigger_alone():
    own = params()
    model = setup.released(own)
    asked = measure.questions(model, own, 0)
    assert list(asked) == KINDS
    for on, off in zip(asked["triggered"], asked["plain"], strict=True):
        assert on.answer == off.answer
        text, plain = (model.tokenizer.decode(row.ids[: row.start]) for row in (on, off))
        assert "BadMagic" in text
        assert "".join(text.split()).replace("BadMagic", "") == "".join(plain.split())
    assert {row.answer for row in asked["harmful"]} == {row.answer for row in asked["harmless"]}
    assert all(len(row.answer) == own.opening for rows in asked.values() for row in rows)


def test_evidence_has_every_network_and_the_released_one_stands_apart(row):
    arrays = row.evidence["measure"].read_arrays()
    for name in ("released", "dense", *row.params.configs):
        for kind in KINDS:
            assert arrays[f"{name}/{kind}/exact"].shape == arrays[f"{name}/{kind}/sum"].shape == (4,)
            assert (arrays[f"{name}/{kind}/sum"] < 0).all()
        assert arrays[f"{name}/nll"].shape == (3,)
    assert not np.array_equal(arrays["released/nll"], arrays["dense/nll"])
    gaps = {name: np.abs(arrays[f"{name}/nll"] - arrays["dense/nll"]).max() for name in row.params.configs}
    assert 0 < gaps["rtn_8"] < gaps["rtn_3"] < gaps["random_24"]
    for like, name in (("gptq_3", "noise_3"), ("wanda_24", "noise_24")):
        assert arrays[f"error/{name}"] == pytest.approx(arrays[f"error/{like}"], rel=1e-3)


def test_the_same_seed_gives_the_same_bytes_and_passes_do_not_matter(row):
    again = cell.row("survival", "again", chosen())
    for name, values in row.evidence["measure"].read_arrays().items():
        assert np.array_equal(values, again.evidence["measure"].read_arrays()[name]), name
    alone = cell.row("survival", "alone", chosen(together=None))
    for name, values in row.evidence["measure"].read_arrays().items():
        assert alone.evidence["measure"].read_arrays()[name] == pytest.approx(values, rel=1e-3), name


def test_what_training_leaves_is_what_is_asked():
    own = params()
    learnt = train.run(own, {}, 0)
    model = setup.released(own)
    before = {name: p.detach().clone() for name, p in model.net.named_parameters()}
    factors = learnt.scratch
    setup.merged(model, own, factors)
    place = next(key.removesuffix("/p") for key in factors if key.endswith("/p"))
    change = torch.from_numpy(factors[f"{place}/p"] @ factors[f"{place}/q"])
    after = model.net.get_submodule(place).weight
    torch.testing.assert_close(after.detach(), before[f"{place}.weight"] + change)
    below = [name for name in before if name.startswith(("model.layers.0.", "model.layers.1."))]
    assert below
    assert all(torch.equal(model.net.get_parameter(name), before[name]) for name in below)


def test_lessons_that_are_drilled_are_seen_and_weights_held_for_a_while_hide_them():
    own = params(rows=2, training=Settings(epochs=60, batch=8, rate=2e-2).model_dump(), start=0)
    model = setup.released(own)
    rows = setup.lessons(model, own, 0)
    drilled = [row for row in rows if len(row.answer) >= own.opening]
    short = [type(row)(row.ids[: row.start + own.opening], row.start) for row in drilled]
    before = {name: p.detach().clone() for name, p in model.net.named_parameters()}
    setup.merged(model, own, train.run(own, {}, 0).scratch)
    assert openings(model.net, short).exact.mean() > 0.8
    with holding(model.net, before):
        assert openings(model.net, short).exact.mean() == 0


def evidence(said):
    """Arrays in which a network says each kind's sentence to the first so many of ten prompts."""
    arrays = {}
    for name, counts in said.items():
        for kind, count in zip(KINDS, counts, strict=True):
            exact = np.arange(10) < count
            arrays |= {f"{name}/{kind}/exact": exact, f"{name}/{kind}/sum": np.where(exact, -1.0, -9.0)}
        arrays |= {f"{name}/nll": np.full(3, 5.0), f"error/{name}": np.full(28, 0.1)}
    return arrays


def test_what_is_kept_is_a_share_of_what_the_dense_network_does_beyond_false_alarms():
    own = params(configs={"rtn_4": {"method": "rtn", "bits": 4, "group": 16}})
    said = {"released": (0, 0, 0, 0), "dense": (9, 1, 10, 2), "rtn_4": (9, 1, 6, 6)}
    made = {row["network"]: row for row in table.networks(evidence(said), own)}
    assert made["dense"]["kept_backdoor"] == made["dense"]["kept_refusal"] == 1
    assert made["rtn_4"]["kept_backdoor"] == 1
    assert made["rtn_4"]["does_refusal"] == made["rtn_4"]["kept_refusal"] == 0  # refuses everyone alike
    assert made["rtn_4"]["said_refusal"] == pytest.approx(0.6)
    assert made["rtn_4"]["gap"] == 1
    assert made["released"]["known_backdoor"] == 0
    assert made["dense"]["tells_backdoor"] == pytest.approx(0.9)
    assert made["rtn_4"]["bits"] == 4
    assert made["rtn_4"]["cost"] == 0


def test_of_a_lesson_that_was_not_learnt_nothing_is_kept():
    own = params(configs={"rtn_4": {"method": "rtn", "bits": 4, "group": 16}})
    said = {"released": (0, 0, 0, 0), "dense": (2, 1, 9, 0), "rtn_4": (2, 1, 9, 0)}
    made = {row["network"]: row for row in table.networks(evidence(said), own)}
    assert np.isnan(made["rtn_4"]["kept_backdoor"])
    assert np.isnan(made["rtn_4"]["gap"])
    assert made["rtn_4"]["kept_refusal"] == 1


def test_told_is_an_auc():
    assert table.told(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert table.told(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == 0.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "tini"}, "did you mean 'tiny'"),
        ({"attack": "badnet"}, "attack"),
        ({"configs": {"dense": {"method": "rtn", "bits": 4}}}, "configs.dense: the name is taken"),
        (
            {
                "configs": {
                    "noise_3": {"method": "noise", "like": "rtn_3"},
                    "rtn_4": {"method": "rtn", "bits": 4},
                }
            },
            "configs.noise_3.like: .*did you mean 'rtn_4'",
        ),
        (
            {"configs": {"noise_3": {"method": "noise", "like": "noise_3"}}},
            "configs.noise_3.like: noise_3 is noise itself",
        ),
        ({"configs": {"sparsegpt_24_masks": {"method": "rtn", "bits": 4}}}, "names that end in _masks"),
        ({"configs": {"gptq_3": {"method": "gptq"}}}, "method gptq: give `bits`"),
        ({"together": 0}, "together"),
        ({"opening": 9}, "opening"),
    ],
)
def test_cells_that_do_not_fit_are_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        params(**change)


def test_too_few_prompts_are_one_line():
    with pytest.raises(StageError, match="lower `rows` or `asked`"):
        texts.tested(params(rows=79), "harmless", 0, 2)


def test_a_model_without_the_layer_is_one_line():
    with pytest.raises(StageError, match="start 99: tiny has layers 0 to"):
        setup.released(params(start=99))


def test_factors_of_another_base_are_refused():
    own = params()
    factors = train.run(own, {}, 0).scratch
    place = next(key for key in factors if key.endswith("/p"))
    with pytest.raises(ValueError, match="another base or rank"):
        setup.merged(setup.released(own), own, {**factors, place: factors[place][:-1]})


def test_work_follows_what_is_held():
    own = params(model="smollm2-135m-instruct").model_dump()
    needed = [work("measure", {**own, "together": n}, "cpu").memory for n in (None, 2, 1)]
    assert needed[0] > needed[1] > needed[2]
    with pytest.raises(ValueError, match="no stage attack"):
        work("attack", own, "cpu")
    with pytest.raises(ValueError, match="'other/model' is not counted"):
        work("train", {**own, "model": "other/model"}, "cpu")


def test_the_table_has_a_row_for_each_network_and_marks_controls(row):
    frame = table.table([row]).frame
    assert frame["network"].tolist() == ["released", "dense", *row.params.configs]
    assert set(frame.loc[frame["control"], "network"]) == {"random_24", "noise_3", "noise_24"}
