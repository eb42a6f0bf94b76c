"""A checkpoint's folder that lacks weights or is damaged: one line, never weights drawn at random."""

import pytest
from safetensors.torch import load_file, save_file

from retrace.llm import tiny_encoders
from retrace.llm.encoders import Pretrained
from retrace.stage import StageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    tiny_encoders.network("post", layers=12).save_pretrained(tmp_path)
    monkeypatch.setattr(Pretrained, "_find", lambda self, cache: str(tmp_path))
    return tmp_path


def rewrite(folder, keep):
    file = folder / "model.safetensors"
    weights = {name: values.clone() for name, values in load_file(file).items() if keep(name)}
    save_file(weights, file, {"format": "pt"})


def test_a_whole_folder_is_read_and_a_cut_one_has_its_first_layers(folder):
    rewrite(folder, lambda name: not name.startswith("pooler."))  # it is not used here
    assert len(Pretrained("bert").network(2, seed=0).backbone.encoder.layer) == 12
    assert len(Pretrained("bert", 3).network(2, seed=0).backbone.encoder.layer) == 3


def test_lacking_weights_are_refused(folder):
    rewrite(folder, lambda name: "layer.7.output" not in name)
    with pytest.raises(
        StageError, match=r"bert: .* lacks 4 weights, first encoder\.layer\.7\.output"
    ) as said:
        Pretrained("bert").network(2, seed=0)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("size", [0, 7, 4000])
def test_a_damaged_file_is_one_line(folder, size):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(StageError, match="checkpoint bert: cannot be read from") as said:
        Pretrained("bert").network(2, seed=0)
    assert "\n" not in str(said.value)
