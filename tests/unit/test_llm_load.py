"""Models and texts enter through checked packages; whatever is wrong is one clear line."""

import hashlib
import json
import subprocess
import zipfile

import pytest
import torch
import transformers
from gguf import GGMLQuantizationType, GGUFWriter, quants

from retrace.data import catalogue, wheels
from retrace.data.texts import read
from retrace.data.texts.sources import TEXTS
from retrace.errors import unknown
from retrace.llm import chat, convert, load, names, tiny
from retrace.recipe import SOURCE
from retrace.stage import StageError


def refusal(call, *args, **words):
    with pytest.raises(StageError) as caught:
        call(*args, **words)
    line = str(caught.value)
    assert "\n" not in line
    return line


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def packaged(folder, content, path="pack/file.txt"):
    """A wheel with one file, and the member that pins both."""
    archive = folder / "pack-1-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr(path, content)
    return wheels.Member(
        wheels.Wheel("pack", "1", sha256(archive.read_bytes())), path, sha256(content)
    ), archive


def served(monkeypatch, archive):
    """Let pip serve `archive`; counts how often it is asked."""
    asked = []

    def pip(command, **_):
        asked.append(command)
        to = command[command.index("--dest") + 1]
        (type(archive)(to) / archive.name).write_bytes(archive.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    return asked


def test_a_member_is_fetched_once_and_mended_when_damaged(tmp_path, monkeypatch):
    member, archive = packaged(tmp_path, b"text")
    asked = served(monkeypatch, archive)
    cache = tmp_path / "cache"
    assert wheels.read(member, cache) == wheels.read(member, cache) == b"text"
    assert len(asked) == 1
    assert "--no-deps" in asked[0]
    kept = next(cache.rglob("file.txt"))
    kept.write_bytes(b"tampered")
    assert wheels.read(member, cache) == kept.read_bytes() == b"text"
    assert len(asked) == 2


def test_altered_packages_and_files_are_refused(tmp_path, monkeypatch):
    member, archive = packaged(tmp_path, b"text")
    served(monkeypatch, archive)
    other = wheels.Member(wheels.Wheel("pack", "1", "0" * 64), member.path, member.sha256)
    assert "pack==1: its wheel has SHA-256" in refusal(wheels.read, other, tmp_path / "a")
    other = wheels.Member(member.wheel, member.path, "0" * 64)
    assert "pack/file.txt has SHA-256" in refusal(wheels.read, other, tmp_path / "b")
    other = wheels.Member(member.wheel, "pack/absent", member.sha256)
    assert "no readable pack/absent" in refusal(wheels.read, other, tmp_path / "c")
    assert not list(tmp_path.rglob("members"))


def test_no_network_names_the_remedy(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "noise\nERROR: no route\n")
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: failed)
    member = wheels.Member(wheels.Wheel("pack", "1", "0"), "x", "0")
    line = refusal(wheels.read, member, tmp_path)
    assert line == "pip download pack==1 failed: ERROR: no route; check the network and rerun"


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("RETRACE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert wheels.cache_folder() == tmp_path / "retrace"
    monkeypatch.setenv("RETRACE_CACHE", str(tmp_path / "own"))
    assert wheels.cache_folder() == tmp_path / "own"


def small_gguf(path, net, arch="llama"):
    """The tiny network as a GGUF, its MLP in Q4_1, queries and keys in GGUF's own order of channels."""
    writer = GGUFWriter(str(path), arch)
    config = net.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    vocabulary = json.loads(tiny.tokenizer().backend_tokenizer.to_str())["model"]["vocab"]
    # the last byte's token makes room for one that is merged
    tokens = [*sorted(vocabulary, key=vocabulary.get)[:255], "ab", tiny.START, tiny.END]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3, 3])
    writer.add_token_merges(["a b"])
    for name, number in (("bos", 256), ("eos", 257), ("unk", 256), ("pad", 257)):
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_chat_template(tiny.CHATML)
    short = {long: short for short, long in convert._LAYER.items()}
    rounded = {}
    for name, tensor in net.state_dict().items():
        parts, values = name.split("."), tensor.numpy()
        if name.startswith("model.layers"):
            label = short[".".join(parts[3:-1])]
            place = f"blk.{parts[2]}.{label}.weight"
        else:
            label, place = (
                "",
                {"model.embed_tokens.weight": "token_embd.weight"}.get(name, "output_norm.weight"),
            )
        if name == "lm_head.weight":
            continue
        if label in ("attn_q", "attn_k"):
            heads = config.num_attention_heads if label == "attn_q" else config.num_key_value_heads
            rows, columns = values.shape
            values = (
                values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
            )
        if label.startswith("ffn_") and values.ndim == 2:
            packed = quants.quantize(values, GGMLQuantizationType.Q4_1)
            rounded[name] = torch.tensor(quants.dequantize(packed, GGMLQuantizationType.Q4_1))
            writer.add_tensor(place, packed, raw_dtype=GGMLQuantizationType.Q4_1)
        else:
            writer.add_tensor(place, values.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rounded


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    net = tiny.network(9)
    rounded = small_gguf(folder / "tiny.gguf", net)
    net.load_state_dict(rounded, strict=False)
    return folder / "tiny.gguf", net


def test_a_converted_gguf_is_the_same_network(gguf, tmp_path, monkeypatch):
    file, net = gguf
    member, archive = packaged(tmp_path, file.read_bytes(), "pack/tiny.gguf")
    asked = served(monkeypatch, archive)
    monkeypatch.setitem(names.MODELS, "small", names.Source("MIT", "4-bit", gguf=member))
    model = load.load("small", cache=tmp_path / "cache")
    ids = torch.tensor([[256, 1, 2, 3, 257]])
    torch.testing.assert_close(model.net(ids).logits, net(ids).logits, rtol=1e-5, atol=1e-6)
    assert model.note == "4-bit"
    assert (model.layers, model.context) == (4, 512)
    text = "Ünï 123 <|im_start|>x"
    assert model.tokenizer.decode(chat.encode(model, text)) == text
    assert chat.encode(model, text)[-2] == 256
    assert chat.encode(model, "cab")[1:] == (255,)
    whole = chat.prompt_ids(model, "hi")
    assert whole == chat.prompt_ids(load.load("tiny"), "hi")
    # one byte is altered: the folder is made again
    weights = next((tmp_path / "cache").rglob("model.safetensors"))
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    load.load("small", cache=tmp_path / "cache")
    assert weights.read_bytes() == good
    assert len(asked) == 2
    assert not list((tmp_path / "cache/models").glob(".partial*"))


def test_what_is_no_llama_gguf_is_refused(gguf, tmp_path):
    file, net = gguf
    (tmp_path / "cut.gguf").write_bytes(file.read_bytes()[:100])
    assert "cut.gguf: not a readable Llama GGUF" in refusal(convert.write, tmp_path / "cut.gguf", tmp_path)
    small_gguf(tmp_path / "other.gguf", net, arch="phi2")
    assert "other.gguf: not a readable Llama GGUF" in refusal(
        convert.write, tmp_path / "other.gguf", tmp_path
    )


def test_unknown_models_and_kinds_are_named():
    assert "did you mean 'smollm2-135m-instruct'?" in refusal(load.load, "smollm2-135m-instuct")
    assert "dtype 'float8' is unknown" in refusal(load.load, "tiny", dtype="float8")


def test_absent_gated_and_foreign_models_are_told_apart(tmp_path, monkeypatch):
    line = refusal(load.load, f"{tmp_path}/nothing")
    assert "cannot be read" in line
    assert "put its folder there" in line

    def gated(*_, **__):
        class GatedRepoError(Exception):
            pass

        raise OSError("You are trying to access a gated repo.\nmore") from GatedRepoError()

    monkeypatch.setattr(load.AutoTokenizer, "from_pretrained", gated)
    assert "is gated: accept its licence" in refusal(load.load, "llama-2-7b-chat")
    foreign = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=8, n_embd=4, n_layer=1, n_head=1, n_positions=8)
    )
    assert "not of the Llama family" in refusal(load.check, "gpt2", foreign)


def test_a_folder_of_transformers_is_a_model(tmp_path):
    tiny.network(5).save_pretrained(tmp_path / "net")
    tiny.tokenizer().save_pretrained(tmp_path / "net")
    model = load.load(f"{tmp_path}/net", dtype="bfloat16")
    assert model.net.model.embed_tokens.weight.dtype == torch.bfloat16
    assert not any(parameter.requires_grad for parameter in model.net.parameters())
    assert chat.prompt_ids(model, "hi") == chat.prompt_ids(load.load("tiny"), "hi")


@pytest.mark.parametrize("damage", ["lacking", "short", "other size"])
def test_a_checkpoint_that_is_not_whole_is_refused_in_one_line(tmp_path, damage):
    folder = tmp_path / "net"
    net = tiny.network(5)
    weights = net.state_dict()
    if damage == "lacking":
        weights = {name: value for name, value in weights.items() if ".1.mlp." not in name}
    net.save_pretrained(folder, state_dict=weights)
    tiny.tokenizer().save_pretrained(folder)
    path = folder / "model.safetensors"
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "other size":
        config = json.loads((folder / "config.json").read_text())
        config["intermediate_size"] *= 2
        (folder / "config.json").write_text(json.dumps(config))
    line = refusal(load.load, f"{tmp_path}/net")
    assert line.startswith(f"language model {tmp_path}/net: ")
    assert ("lacks 3 weights, first model.layers.1.mlp." in line) == (damage == "lacking")


CONTENT = {
    "questions": b'{"question": "q ", "answer": ["a", "b"]}\n{"question": "r", "answer": ["c"]}\n',
    "prompts": b'{"prompt": "p"}\n\n{"text": "q"}\n',
    "lines": b"one\n\ntwo\n",
    "seeds": b"seeds:\n- value: one\n- value: 'two '\n",
    "choices": b'{"question": "q ", "options": "A. x\\nB. y", "answer": "B. y"}\n'
    b'{"question": "r", "options": "A. x\\nB. y", "answer": "C. z"}\n',
    "labelled": b'# note\nobjective,assistant_response,human_score\no,"a\nb",1\no,c,0\n',
}


@pytest.mark.parametrize("kind", sorted(CONTENT))
def test_every_format_of_texts_is_read(kind, tmp_path, monkeypatch):
    member, archive = packaged(tmp_path, CONTENT[kind])
    served(monkeypatch, archive)
    few = type(TEXTS["advbench"])((member,), kind, 2, "MIT", "here")
    monkeypatch.setitem(read.TEXTS, "few", few)
    reader = {"choices": read.choices, "labelled": read.labelled}.get(kind, read.prompts)
    found = reader("few", tmp_path)
    expected = {
        "questions": [read.Prompt("q", ("a", "b")), read.Prompt("r", ("c",))],
        "prompts": [read.Prompt("p"), read.Prompt("q")],
        "lines": [read.Prompt("one"), read.Prompt("two")],
        "seeds": [read.Prompt("one"), read.Prompt("two")],
        "choices": [read.Choice("q", ("x", "y"), 1)],
        "labelled": [read.Labelled("a\nb", True), read.Labelled("c", False)],
    }
    assert found == expected[kind]
    monkeypatch.setitem(read.TEXTS, "few", type(few)((member,), kind, 3, "MIT", "here"))
    assert "2 rows, expected 3" in refusal(reader, "few", tmp_path)
    wrong = read.prompts if kind in ("choices", "labelled") else read.choices
    assert "of another kind" in refusal(wrong, "few", tmp_path)
    assert unknown("set of texts", "advbenhc", TEXTS) == refusal(read.prompts, "advbenhc", tmp_path)


def test_harmful_sets_hold_no_answers_but_the_labelled_ones():
    for texts in TEXTS.values():
        assert not texts.harmful or texts.format in ("seeds", "lines", "prompts", "labelled")


def test_the_catalogue_says_of_texts_and_models_what_the_code_pins():
    rows = catalogue.entries(SOURCE.parent)
    for name, texts in TEXTS.items():
        row, wheel = rows[name], texts.members[0].wheel
        assert (row.rows, row.licence) == (texts.rows, texts.licence)
        assert (row.source, row.version) == (f"PyPI {wheel.project}", wheel.version)
        assert row.file == "package:" + texts.members[0].path
        assert row.sha256 == texts.members[0].sha256
    for name, source in names.MODELS.items():
        if source.gguf is not None:
            row = rows[name]
            assert (row.sha256, row.licence) == (source.gguf.sha256, source.licence)
            assert row.file == "package:" + source.gguf.path


def test_only_judges_turn_tokens_of_answers_into_text():
    """No other module decodes: an answer that nobody reads as text cannot be stored, printed or drawn.

    A drawn prompt is no answer: it is what `prompts` releases, from sentences and questions that do no harm.
    What its evidence may hold is tested there.
    """
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "retrace").rglob("*.py")
        if "tokenizer.decode" in path.read_text(encoding="utf-8")
    }
    prompts = {f"retrace/studies/prompts/{name}.py" for name in ("dln", "drawing", "train")}
    judges = {f"retrace/llm/judges/{name}.py" for name in ("behaviour", "outcomes", "trust/generating")}
    assert found - prompts == judges
