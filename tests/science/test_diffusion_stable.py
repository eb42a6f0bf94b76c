"""Stable Diffusion's form, on a tiny random copy in diffusers' layout; and the lines for what is missing."""

import json

import pytest
import torch

from retrace.attacks.diffusion.loss import noise_errors
from retrace.attacks.diffusion.secmi import secmi
from retrace.nets.diffusion.adapters import LowRank
from retrace.nets.diffusion.prompts import nothing, photo_of
from retrace.nets.diffusion.sampling import ddim
from retrace.nets.diffusion.stable import PLAN, load_stable, read_names
from retrace.stage import StageError
from retrace.training.diffusion.adapt import Adapters, adapt
from retrace.training.diffusion.fit import Recipe

NAMES = ["ada", "bob"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    diffusers = pytest.importorskip("diffusers")
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("stable")
    small = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **small,
    )
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, **small
    )
    letters = [c + end for c in "abcdefghijklmnopqrstuvwxyz" for end in ("", "</w>")]
    vocabulary = {t: n for n, t in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=vocabulary["<|endoftext|>"],
    )
    for part, model in (("unet", unet), ("vae", vae), ("text_encoder", CLIPTextModel(config))):
        model.save_pretrained(place / part)
    (place / "tokenizer").mkdir()
    (place / "tokenizer/vocab.json").write_text(json.dumps(vocabulary))
    (place / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    about = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    (place / "tokenizer/tokenizer_config.json").write_text(json.dumps(about))
    return place


def test_attacks_sampling_and_adapters_fit_it(folder):
    model = load_stable(folder, NAMES)
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    z = model.encode(images)
    assert z.shape == (3, 4, 8, 8)
    assert torch.equal(z, model.encode(images))
    assert model.decode(z).shape == images.shape
    tokens = photo_of(torch.tensor([0, 1, 0]))
    context = model.text(tokens)
    assert torch.equal(context[0], context[2])
    assert not torch.allclose(context[0], context[1])
    assert not torch.allclose(context[0], model.text(nothing(1))[0])
    with torch.no_grad():
        t = torch.full((3,), 100)
        v, e = model.velocity(z, t, context[:1].expand(3, -1, -1)), model.noise(PLAN, z, 100, context[:1])
        share = PLAN.alpha(100)
        assert torch.allclose(share**0.5 * v + (1 - share) ** 0.5 * z, e, atol=1e-4)

        def predict(x, t):
            return model.noise(PLAN, x, t, context[:1])

        errors = noise_errors(predict, PLAN.alpha, z, torch.randn(1, 4, 8, 8), [140])
        assert errors[0].isfinite().all()
        assert secmi(predict, PLAN.alpha, z, [140], 10)[140].shape == (3,)
        assert ddim(predict, PLAN, torch.randn(2, 4, 8, 8), 3, clip=False).shape == (2, 4, 8, 8)
    low = LowRank(model, "everything", 2, 2, 0)
    assert not any("vae" in name for name in low.names)
    sets = torch.stack([z, z])
    adapt(model, Adapters(low_rank=low), PLAN, sets, torch.tensor([0, 1]), Recipe(2, 2, 1e-3), [1, 2])
    assert any(float(p.detach().abs().max()) > 0 for p in low.up)


def test_a_missing_folder_or_part_is_one_line(tmp_path):
    with pytest.raises(StageError, match="no Stable Diffusion v1-x there, unet/ is missing") as error:
        load_stable(tmp_path / "nowhere", NAMES)
    assert "\n" not in str(error.value)
    for part in ("unet", "vae", "tokenizer"):
        (tmp_path / part).mkdir()
    with pytest.raises(StageError, match="text_encoder/ is missing"):
        load_stable(tmp_path, NAMES)


def test_the_list_of_domains(tmp_path):
    file = tmp_path / "names.txt"
    with pytest.raises(StageError, match="no list of domains there"):
        read_names(file)
    file.write_text("ada\n\nbob \n")
    assert read_names(file) == NAMES
    file.write_text("ada\nada\n")
    with pytest.raises(StageError, match="'ada' stands there twice"):
        read_names(file)
    file.write_text("\n")
    with pytest.raises(StageError, match="no name in it"):
        read_names(file)
