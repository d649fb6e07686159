"""Checkpoints: taken up as if never put down, whole or not there, and refused in one line where they do not fit."""

import os
import zipfile

import pytest
import torch
from training_helpers import SMALL, learner

from sem_impl.system import SEM
from sem_impl.training import files
from sem_impl.training.files import CheckpointError


@pytest.fixture
def kept(tmp_path):
    """A file, and the learner that wrote it after three of six steps."""
    made = learner(steps=6)
    for _ in range(3):
        made.advance()
    made.save(tmp_path / "kept.pt")
    return tmp_path / "kept.pt", made


def state(learner):
    own = learner.training
    moments = [value for p in own.model.parameters() for _, value in sorted(own.optimiser.state[p].items())]
    return [*own.model.state_dict().values(), *moments]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(state(one), state(other), strict=True))


def changed(file, **to):
    """The same file with other content."""
    content = torch.load(file, weights_only=True)
    torch.save(content | to, file)
    return file


def test_a_training_goes_on_as_if_it_had_not_been_interrupted(kept):
    file, made = kept
    again = SEM.restore(file)
    assert (again.step, again.steps) == (3, 6) and same(made, again)
    for _ in range(3):
        assert made.advance() == again.advance()
    assert same(made, again)
    assert again.training.model.encoder.potential.any()


def test_a_restored_model_is_that_of_its_variant_and_conditions(tmp_path):
    learner(norm="layer_norm", conditions=SMALL | {"dt": 0.3, "layers": 1}).save(tmp_path / "kept.pt")
    model = SEM.restore(tmp_path / "kept.pt").training.model
    assert type(model.mixer.layers[0].norm).__name__ == "LayerNorm" and len(model.mixer.layers) == 1
    assert model.propagator.evolve.settings.a == 0.15


def test_where_a_model_was_is_not_kept(tmp_path):
    threads = torch.get_num_threads()
    learner(conditions=SMALL | {"device": "cpu", "threads": threads}).save(tmp_path / "kept.pt")
    assert not {"device", "threads"} & files.load(tmp_path / "kept.pt")["conditions"].keys()
    try:
        SEM.restore(tmp_path / "kept.pt", {"threads": threads + 1})
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


def test_a_file_is_read_without_running_code(kept):
    class Planted:
        def __reduce__(self):
            return os.system, ("echo planted",)

    file, _ = kept
    changed(file, model={"planted": Planted()})
    with pytest.raises(CheckpointError, match="is no checkpoint, or a damaged one; `semh train` writes one"):
        SEM.restore(file)


def test_a_failed_save_leaves_the_earlier_file_and_nothing_beside_it(kept, monkeypatch):
    file, made = kept
    before = file.read_bytes()

    def full(content, stream):
        stream.write(b"half")
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos") from None

    monkeypatch.setattr(files.torch, "save", full)
    with pytest.raises(OSError, match="No space left on device"):
        made.save(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def cut(file):
    file.write_bytes(file.read_bytes()[:5000])


def words(file):
    file.write_text("to be or not to be\n" * 100)


def nothing(file):
    file.write_bytes(b"")


def strange_archive(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("letter.txt", "hello")


@pytest.mark.parametrize("spoil", [cut, words, nothing, strange_archive])
def test_a_damaged_file_is_refused(kept, spoil):
    file, _ = kept
    spoil(file)
    with pytest.raises(CheckpointError, match=r"kept\.pt is no checkpoint, or a damaged one"):
        SEM.restore(file)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        SEM.restore(tmp_path / "none.pt")


def shape_changed(content):
    return {"conditions": content["conditions"] | {"width": 24}}


def name_missing(content):
    return {"model": {name: value for name, value in content["model"].items() if name != "head.projection.bias"}}


def name_too_many(content):
    return {"model": content["model"] | {"head.extra": torch.zeros(1)}}


def double(content):
    return {"model": {name: value.double() for name, value in content["model"].items()}}


def other_optimiser(content):
    return {"optimiser": content["optimiser"] | {"param_groups": content["optimiser"]["param_groups"][:1]}}


def condition_out_of_range(content):
    return {"conditions": content["conditions"] | {"dt": 1e9}}


def unknown_level(content):
    return {"variant": content["variant"] | {"norm": "batch"}}


REFUSED = [
    (shape_changed, r"encoder.embedding is \(256, 16\) float32 in the file and \(256, 24\) float32 in the"),
    (name_missing, r"head.projection.bias is missing in the file and \(256,\) float32 in the model"),
    (name_too_many, r"head.extra is \(1,\) float32 in the file and missing in the model"),
    (
        double,
        r"encoder.codes is \(8, 64\) float64 in the file and \(8, 64\) float32 in the model; a model of the variant",
    ),
    (other_optimiser, "its optimiser is that of another model"),
    (condition_out_of_range, "dt is 1000000000.0; 0.0001 to 10 would do"),
    (unknown_level, "no level norm 'batch'; layer_norm, complex_rms would do"),
    (lambda _: {"format": "sem 0"}, "has the format 'sem 0'; 'sem 1' would do"),
    (lambda _: {"step": "three"}, "has no usable step; `semh train` writes a whole one"),
    (lambda _: {"step": 7}, "step 7 of 6; up to all of them would do"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(kept, change, message):
    file, _ = kept
    changed(file, **change(torch.load(file, weights_only=True)))
    with pytest.raises(CheckpointError, match=message) as refused:
        SEM.restore(file)
    assert "\n" not in str(refused.value) and "kept.pt" in str(refused.value)


def test_a_refused_file_leaves_the_model_as_it_was(kept):
    file, made = kept
    tensors = dict(made.training.model.state_dict())
    before = {name: value.clone() for name, value in tensors.items()}
    with pytest.raises(CheckpointError):
        files.restore(file, made.training.model, {name: value + 1 for name, value in list(tensors.items())[1:]})
    assert all(torch.equal(value, before[name]) for name, value in made.training.model.state_dict().items())


@pytest.mark.parametrize(("steps", "rate"), [(-1, 1e-3), (3, 0.0), (3, -1.0), (3, float("nan"))])
def test_a_training_that_makes_no_sense_is_refused(steps, rate):
    with pytest.raises(ValueError, match="steps from 0 and a rate between 0 and 1 would do"):
        SEM.begin({}, {}, 0, steps=steps, base_rate=rate)
