"""Parts of the layernorm study against closed forms and slow direct ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import AutoConfig, AutoModel

from retrace.data.label_noise import flip_class
from retrace.data.sequences import brown
from retrace.data.texts.keywords import TOPICS, keywords
from retrace.llm import branches, tiny_encoders
from retrace.llm.encoders import Encoder, Pretrained
from retrace.metrics.jacobians import largest_singular_values
from retrace.metrics.memorisation import shares
from retrace.metrics.norm_gradients import norm_input_gradients
from retrace.nets.layernorms import distance_from_reset, find, group_layers, in_group, reset
from retrace.nets.parts import apply
from retrace.stage import StageError
from retrace.training.finetune import Tuning, take, tune

ORDERS = ("post", "pre")


def encoder(order: str, layers: int = 3) -> tuple[Encoder, dict[str, torch.Tensor]]:
    pretrained = Pretrained(f"tiny-{order}", layers)
    return pretrained.network(3, seed=1), pretrained.encode(["a cat", "dogs run far", "an owl"], 16)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3).filter(lambda t: t[1] != t[2]), min_size=1))
def test_shares_of_noisy_samples_add_up_to_one(rows):
    predicted, noisy, true = (np.array(column) for column in zip(*rows, strict=True))
    found = shares(predicted, noisy, true)
    assert sum(found.values()) == pytest.approx(1)
    assert found["memorisation"] == pytest.approx(np.mean(predicted == noisy))
    assert found["recovery"] == pytest.approx(np.mean(predicted == true))


def test_shares_refuse_right_labels_and_no_samples():
    with pytest.raises(ValueError, match="label is right"):
        shares(np.array([1]), np.array([1]), np.array([1]))
    with pytest.raises(ValueError, match="one or more"):
        shares(np.array([]), np.array([]), np.array([]))


@given(st.integers(0, 1000), st.sampled_from([0.01, 0.02, 0.05]))
def test_noise_is_a_share_of_the_whole_set_from_one_class(seed, share):
    y = np.arange(120) % 6
    noisy = flip_class(y, share, 5, 6, np.random.default_rng(seed))
    assert len(noisy.rows) == max(round(share * 120), 1)
    assert not noisy.fell_back
    assert set(y[noisy.rows]) == {5}
    assert (noisy.y != y).nonzero()[0].tolist() == noisy.rows.tolist()
    assert set(noisy.y) <= set(range(6))


def test_noise_falls_back_to_all_classes():
    y = np.array([0] * 50 + [1] * 48 + [2] * 2)
    noisy = flip_class(y, 0.2, 2, 3, np.random.default_rng(0))
    assert noisy.fell_back
    assert len(noisy.rows) == 20
    assert len(set(y[noisy.rows])) > 1


@pytest.mark.parametrize("y", [[0, 0, 1, 1], [0, 0, 1, 2]])
def test_noise_refuses_a_class_of_no_or_one_row(y):
    with pytest.raises(StageError, match=r"class 2 has [01] training rows"):
        flip_class(np.array(y), 0.5, 2, 3, np.random.default_rng(0))


@pytest.mark.parametrize("order", ORDERS)
def test_norms_are_found_by_type_layer_by_layer(order):
    norms = find(tiny_encoders.network(order))
    assert [norm.layer for norm in norms] == [0, 0, 1, 1, 2, 2, None]
    assert len(in_group(norms, "all")) == 7
    assert len(in_group(norms, "all", ends=False)) == 6
    assert [norm.layer for norm in in_group(norms, "late")] == [2, 2]
    first = ("attention.output.LayerNorm", "input_layernorm")[ORDERS.index(order)]
    assert norms[0].name.endswith(first)


def test_a_network_without_norms_is_refused():
    with pytest.raises(StageError, match="no LayerNorm in any layer"):
        find(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))


@pytest.mark.parametrize("layers", [1, 4, 5])
def test_layers_not_divisible_by_three_are_refused(layers):
    with pytest.raises(StageError, match=f"{layers} layers cannot be cut"):
        group_layers(layers, "early")
    assert len(group_layers(layers, "all")) == layers


def test_reset_leaves_the_plain_normalisation():
    norms = find(tiny_encoders.network("post"))
    assert distance_from_reset(norms)["scale"] > 0.1
    for norm in norms:
        reset(norm)
    assert distance_from_reset(norms) == {"scale": 0, "shift": 0}
    x = torch.randn(2, 5, 32)
    plain = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-12).sqrt()
    assert torch.allclose(norms[0].module(x), plain, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("kind", "zero", "freeze"),
    [("norms", True, True), ("norms", True, False), ("random", False, True), ("others", True, True)],
)
def test_what_is_held_keeps_its_bits_while_the_rest_is_trained(order, kind, zero, freeze):
    net, inputs = encoder(order)
    net.requires_grad_(True)
    norms = in_group(find(net.backbone), "all")
    applied = apply(net.backbone, kind, "all", zero, freeze, True, seed=3)
    assert applied.entries == sum(p.numel() for norm in norms for p in norm.parameters.values())
    if kind != "norms":
        assert sum(len(held.entries) for held in applied.held) == applied.entries
        assert zero == all(bool((held.values == 0).all()) for held in applied.held)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    y = torch.tensor([0, 1, 2])
    tuning = Tuning(epochs=2, batch=2, rate=1e-2)
    losses = tune(net, inputs, y, tuning, 5, lambda: [h.put_back() for h in applied.held])
    assert len(list(losses)) == 2
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    names = {f"backbone.{name}" for norm in norms for name in norm.parameters}
    assert moved & names == (set() if kind == "norms" and freeze else names)
    for held in applied.held:
        assert torch.equal(held.parameter.view(-1)[held.entries], held.values)
    assert any("head" in name for name in moved)


def test_a_control_of_more_entries_than_there_are_is_refused():
    net = nn.Module()
    net.layers = nn.ModuleList([nn.ModuleDict({"norm": nn.LayerNorm(4), "map": nn.Linear(1, 1)})])
    with pytest.raises(StageError, match="a control of 8 entries"):
        apply(net, "random", "all", False, True, True, seed=0)


@pytest.mark.parametrize("order", ORDERS)
def test_gradients_at_norms_are_those_of_a_loop_over_samples(order):
    net, inputs = encoder(order)
    net.embedding().requires_grad_(False)
    y = torch.tensor([0, 1, 2])
    modules = [norm.module for norm in find(net.backbone)]

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(net(take(inputs, rows)), y[rows], reduction="none")

    fast, values = norm_input_gradients(net.embedding(), modules, lambda: losses(torch.arange(3)))
    for i in range(3):
        one, value = norm_input_gradients(net.embedding(), modules, lambda i=i: losses(torch.tensor([i])))
        assert torch.allclose(fast[:, i], one[:, 0], rtol=1e-4)
        assert torch.allclose(values[i], value[0], rtol=1e-4)


def test_a_pre_ln_gradient_includes_the_path_around_the_branch():
    """The residual stream's gradient at LN1 of the first layer is that of the embedding's output."""
    net, inputs = encoder("pre")
    y = torch.tensor([0, 1, 2])
    net.embedding().requires_grad_(False)
    made = []
    hook = net.embedding().register_forward_hook(lambda *args: made.append(args[2].requires_grad_(True)))
    nn.functional.cross_entropy(net(inputs), y, reduction="sum").backward()
    hook.remove()
    first = [find(net.backbone)[0].module]
    found, _ = norm_input_gradients(
        net.embedding(), first, lambda: nn.functional.cross_entropy(net(inputs), y, reduction="none")
    )
    assert torch.allclose(found[0], made[0].grad.flatten(1).norm(dim=1), rtol=1e-4)


def test_gradients_refuse_a_norm_that_takes_no_part():
    net, inputs = encoder("post")
    with pytest.raises(ValueError, match="only 0 of 1 LayerNorms"):
        norm_input_gradients(
            net.embedding(),
            [nn.LayerNorm(2)],
            lambda: nn.functional.cross_entropy(net(inputs), torch.zeros(3).long()),
        )


def test_singular_values_are_those_of_the_jacobian():
    torch.manual_seed(0)
    maps = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8)).double().requires_grad_(False)
    x = torch.randn(3, 6, dtype=torch.float64)
    found = largest_singular_values(maps, x, 300)
    for i in range(3):
        whole = torch.autograd.functional.jacobian(maps, x[i])
        assert found[i] == pytest.approx(float(torch.linalg.svdvals(whole)[0]), rel=1e-6)


def test_a_jacobian_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        largest_singular_values(lambda x: x.sqrt(), torch.tensor([[-1.0, 2.0]]), 3)


def gpt(kind):
    sizes = {"vocab_size": 259, "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}
    local = {"attention_types": [[["global", "local"], 1]], "window_size": 3} if kind == "gpt_neo" else {}
    config = AutoConfig.for_model(kind, attn_implementation="eager", **sizes, **local)
    return AutoModel.from_config(config)


@pytest.mark.parametrize("order", [*ORDERS, "gpt2", "gpt_neo"])
def test_branches_add_up_to_the_network(order):
    net = tiny_encoders.network(order) if order in ORDERS else gpt(order)
    net = net.eval().requires_grad_(False)
    ids = torch.randint(0, 256, (2, 7), generator=torch.Generator().manual_seed(0))
    states = []
    blocks = net.encoder.layer if order == "post" else net.layers if order == "pre" else net.h
    blocks[0].register_forward_pre_hook(lambda _, args: states.append(args[0]))
    wanted = net(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    x = states[0]
    for layer in branches.layers(net, 7):
        x = x + layer.attention(x)
        x = layer.norm1(x) if layer.norm1 else x
        x = x + layer.feed(x)
        x = layer.norm2(x) if layer.norm2 else x
    last = {"post": lambda x: x, "pre": lambda x: net.norm(x)}.get(order, lambda x: net.ln_f(x))
    assert torch.allclose(last(x), wanted, atol=1e-5)
    assert branches.layers(nn.Linear(1, 1), 7) is None


def test_the_next_token_form_points_at_tokens_of_the_vocabulary():
    pretrained = Pretrained("tiny-post", 3)
    net = pretrained.network(2, seed=0, labels=pretrained.tokens(["yes", "no"]))
    inputs = pretrained.encode(["a", "b"], 8)
    assert net(inputs).shape == (2, tiny_encoders.WORDS)
    assert net.targets(torch.tensor([1, 0])).tolist() == [1, 0]
    assert net.head is None


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (GatedRepoError, "bert-base-uncased is gated: accept its licence on the hub"),
        (RepositoryNotFoundError, "the hub has no google-bert/bert-base-uncased, or it is private"),
        (None, r"cannot be read from google-bert/bert-base-uncased \(no route\); check the network"),
    ],
)
def test_a_checkpoint_that_cannot_be_had_is_one_line(kind, line, monkeypatch):
    def absent(*_, **__):
        raise OSError("no route\nand a long story") from (kind.__new__(kind) if kind else None)

    monkeypatch.setattr("retrace.llm.encoders.AutoConfig.from_pretrained", absent)
    with pytest.raises(StageError, match=line) as said:
        Pretrained("bert").network(2, seed=0)
    assert "\n" not in str(said.value)


def test_a_checkpoint_has_no_more_layers_than_it_has():
    with pytest.raises(StageError, match="bert has 12 layers, not 15; lower `layers`"):
        Pretrained("bert", 15)


def test_keyword_texts_hold_two_words_of_their_topic():
    texts, labels = keywords(60, np.random.default_rng(1))
    assert np.bincount(labels).tolist() == [10] * 6
    for text, label in zip(texts, labels, strict=True):
        own = list(TOPICS.values())[label]
        assert sum(word in own for word in text.split()) >= 2


def test_brown_passages_lose_their_tags_and_keep_their_slashes():
    line = " ".join(f"w{i}/nn" for i in range(23)) + " 1/2/cd ./. spare/nn"
    assert brown.cut(line) == [" ".join(f"w{i}" for i in range(23)) + " 1/2"]
