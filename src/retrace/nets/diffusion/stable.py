"""Stable Diffusion v1-x from a local folder, in the form of `Diffuser`: attacks, samplers and LoRA fit it.

New words and hypernetworks (`adapters.Words`, `adapters.Hyper`) do not: they look for our own layers' names.
It needs diffusers, which is not among the pins, and loads nothing from a network. No stage uses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retrace.nets.diffusion.prompts import FIRST, NULL
from retrace.nets.diffusion.schedule import Schedule
from retrace.stage import StageError

PLAN = Schedule(1000, 0.00085, 0.012, "scaled_linear")
PARTS = ("unet", "vae", "text_encoder", "tokenizer")


class Stable(nn.Module):
    """Noise in latents (B,4,S/8,S/8), from latents, steps and prompts "photo of <name>".

    Prompts are the tokens of `retrace.nets.diffusion.prompts`: domain k has the name `names[k]`. The image
    encoder is no part that LoRA reaches. Source: Rombach et al. (CVPR 2022).
    """

    def __init__(
        self, unet: nn.Module, encoder: nn.Module, vae: Any, tokenizer: Any, names: list[str]
    ) -> None:
        super().__init__()
        self.unet, self.encoder = unet, encoder
        self.names, self.tokenizer = names, tokenizer
        self._vae = (vae,)  # in a tuple, so that it is no submodule

    def text(self, tokens: Tensor) -> Tensor:
        """Tokens (B,3) -> context (B,77,E); a row that begins with the empty token is the empty prompt."""
        prompts = ["" if int(t[0]) == NULL else f"photo of {self.names[int(t[2]) - FIRST]}" for t in tokens]
        known = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
        ids = self.tokenizer(
            list(known), padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        found: Tensor = self.encoder(ids.to(tokens.device))[0]
        return found[[known[prompt] for prompt in prompts]]

    def noise(self, schedule: Schedule, x: Tensor, t: int, context: Tensor) -> Tensor:
        """The noise in latents x at step t, for one prompt's context or one for each."""
        at = torch.full((len(x),), t, device=x.device)
        found: Tensor = self.unet(x, at, context.expand(len(x), -1, -1)).sample
        return found

    def velocity(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """The velocity at steps t (B,), which training is written for; this model predicts the noise."""
        share = PLAN.alphas.to(x.device)[t].to(x.dtype).view(-1, 1, 1, 1)
        noise: Tensor = self.unet(x, t, context).sample
        return (noise - (1 - share).sqrt() * x) / share.sqrt()

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Images (B,3,S,S) in [-1, 1] -> the mean of their latents, scaled, which draws no noise."""
        (vae,) = self._vae
        found: Tensor = vae.encode(images).latent_dist.mean * vae.config.scaling_factor
        return found

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents -> images (B,3,S,S) in [-1, 1]."""
        (vae,) = self._vae
        found: Tensor = vae.decode(latents / vae.config.scaling_factor).sample
        return found.clamp(-1, 1)


def load_stable(folder: Path, names: list[str]) -> Stable:
    """The model in a folder of diffusers' layout, frozen; StageError, one line, if something is missing."""
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise StageError(
            f"{folder}: no Stable Diffusion v1-x there, {missing[0]}/ is missing; "
            "put a copy in diffusers' layout into that folder"
        )
    try:
        from diffusers import AutoencoderKL, UNet2DConditionModel  # type: ignore[import-not-found]
    except ImportError:
        raise StageError(
            "Stable Diffusion needs diffusers, which is not among the pins: pip install diffusers==0.42.1"
        ) from None
    from transformers import CLIPTextModel, CLIPTokenizer

    local: Any = {"local_files_only": True}
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", **local)
    vae = AutoencoderKL.from_pretrained(folder / "vae", **local)
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", **local)
    tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), **local)
    return Stable(unet, encoder, vae, tokenizer, names).requires_grad_(False).eval()


def read_names(file: Path) -> list[str]:
    """Names of domains, one a line; StageError for a file that is missing, empty, or names one twice."""
    if not file.is_file():
        raise StageError(f"{file}: no list of domains there; write one name a line")
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if not names or twice:
        raise StageError(f"{file}: " + (f"{twice[0]!r} stands there twice" if twice else "no name in it"))
    return names
