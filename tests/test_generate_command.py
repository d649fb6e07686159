"""`semh train` and `semh generate`: what they say, what they keep, what they refuse, whatever system they drive."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import cli
from harness import learning
from harness.asked import Asked
from harness.learning import printable
from harness.system import Learning
from harness.systems import load_system
from tests.learning_fakes import PARROT, Pupil

FAKE = ("--system", "tests.learning_fakes:PARROT")


@dataclass
class Said:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def semh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A command in an empty folder, without a process of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["semh", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return call


def kept(file: str = "model.pt") -> dict:
    return json.loads(Path(file).read_text())


def test_a_training_says_how_it_goes_judges_at_the_end_and_keeps_the_model(semh):
    said = semh("train", *FAKE, "--steps", "40")
    assert (said.code, said.stdout) == (0, "Checkpoint: model.pt\n")
    lines = said.stderr.splitlines()
    assert len(lines) == 22  # the first step, every second of forty, what was learnt
    assert lines[0].startswith("1/40 · 4.000 nats per token · gradient 2.5 · ")
    assert lines[1].startswith("2/40 · 3.900 nats") and ", about " in lines[1] and lines[1].endswith(" left")
    assert lines[20].startswith("40/40 · 0.100 nats") and "left" not in lines[20]
    assert (
        lines[21] == "on text that was held out: 0.000 nats per token; knowing only how often each token occurs: 3.250"
    )
    assert kept()["step"] == kept()["steps"] == 40


def test_what_is_trained_is_what_was_asked_for(semh):
    words = (
        "--size",
        "tiny",
        "--variant",
        "status_quo",
        "--switch",
        "pace=slow",
        "--set",
        "rows=3",
        "--set",
        "dt=1e-2",
    )
    semh("train", *FAKE, *words, "--steps", "1", "--seed", "7", "--base-rate", "0.5", "--out", "mine.pt")
    made = kept("mine.pt")["made"]
    assert made["variant"] == {"pace": "slow", "label": "old"}
    assert made["conditions"] == {"width": 8, "rows": 3, "dt": 0.01, "threads": 1, "device": "virtual"}
    assert (made["seed"], made["base_rate"]) == (7, 0.5)


def test_the_system_chooses_its_variant_and_the_smallest_size_is_taken(semh):
    semh("train", *FAKE, "--steps", "1")
    made = kept()["made"]
    assert made["variant"] == PARROT.learns and made["conditions"]["width"] == 8 and made["seed"] == 0


def test_a_training_is_kept_every_hundred_steps_and_gone_on_with(semh, monkeypatch):
    advance = Pupil.advance

    def interrupted(pupil):
        if pupil.step == 250:
            raise KeyboardInterrupt
        return advance(pupil)

    monkeypatch.setattr(Pupil, "advance", interrupted)
    said = semh("train", *FAKE, "--out", "my model.pt")
    assert said.code == 130
    assert said.stderr.splitlines()[-1].endswith("go on from what was kept with: semh train --checkpoint 'my model.pt'")
    assert kept("my model.pt")["step"] == 200
    monkeypatch.setattr(Pupil, "advance", advance)
    again = semh("train", *FAKE, "--checkpoint", "my model.pt")
    assert again.stdout == "Checkpoint: my model.pt\n" and again.stderr.startswith("201/300 · ")
    assert kept("my model.pt")["step"] == 300
    finished = semh("train", *FAKE, "--checkpoint", "my model.pt")
    assert finished.code == 2 and "my model.pt is finished, all 300 steps are done" in finished.stderr


def test_going_on_may_write_elsewhere_and_leaves_the_first_file(semh):
    Path("model.pt").write_text(json.dumps({"made": {}, "steps": 5, "step": 2}))
    assert semh("train", *FAKE, "--checkpoint", "model.pt", "--out", "next.pt").code == 0
    assert (kept()["step"], kept("next.pt")["step"]) == (2, 5)
    assert kept("next.pt")["made"] == {"threads": 1, "device": "virtual"}  # where it goes on, not where it began


def test_a_file_that_is_there_is_never_written_over(semh):
    Path("model.pt").write_text("precious")
    said = semh("train", *FAKE)
    assert said.code == 2
    assert (
        said.stderr == "semh: model.pt is there already; another --out, or --checkpoint model.pt to go on, would do\n"
    )
    assert Path("model.pt").read_text() == "precious"


def test_a_training_that_breaks_says_so_and_keeps_what_was_whole(semh):
    said = semh("train", "--system", "tests.learning_fakes:BROKEN")
    assert said.code == 2
    assert "training step 3: loss nan; what model.pt holds is older and whole" in said.stderr
    assert kept()["step"] == 0


def test_a_place_that_cannot_be_written_is_seen_before_anything_is_trained(semh):
    said = semh("train", *FAKE, "--out", "no/such/folder.pt")
    assert said.code == 2 and "nats" not in said.stderr
    assert "could not be written: No such file or directory; a folder that exists and has room would do" in said.stderr


def test_text_is_the_prompt_and_what_follows(semh):
    said = semh("generate", *FAKE, "--prompt", "ab ", "--tokens", "5")
    assert (said.code, said.stdout) == (0, "ab ab ab\n")
    assert said.stderr.startswith("untrained: the text of a fresh model is noise; ")
    assert semh("generate", *FAKE, "--prompt", "ab ", "--tokens", "0").stdout == "ab \n"


def test_a_checkpoint_says_how_far_it_was_trained(semh):
    Path("model.pt").write_text(json.dumps({"made": {}, "steps": 5, "step": 2}))
    assert semh("generate", *FAKE, "--checkpoint", "model.pt").stderr == "trained for 2 of 5 steps\n"


SAMPLER = {
    "temperature": 0.5,
    "top_k": 7,
    "top_p": 0.9,
    "min_p": 0.05,
    "typical": 0.95,
    "repetition": 1.2,
    "presence": 0.3,
    "frequency": 0.4,
    "no_repeat_ngram": 3,
}


def test_sampler_options_arrive_by_name_and_do_nothing_unless_given(semh):
    words = [word for name, value in SAMPLER.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    asked = ("generate", *FAKE, "--prompt", "asked?")
    assert json.loads(semh(*asked, "--seed", "9", *words).stdout[6:]) == {"seed": 9, **SAMPLER}
    from sem_impl.sampler import Sampling

    assert json.loads(semh(*asked).stdout[6:]) == {"seed": 0, **vars(Sampling())}


def test_what_a_terminal_would_act_upon_is_replaced():
    assert printable("a\x1b[2J\r\x07é\n\tz\u202e\ud800") == "a\ufffd[2J\ufffd\ufffdé\n\tz\ufffd\ufffd"


def test_bytes_that_are_no_text_are_replaced_and_split_letters_are_put_together(semh):
    # an argument that is no UTF-8 comes as surrogates; é arrives byte by byte
    said = semh("generate", *FAKE, "--prompt", "é\udcff", "--tokens", "3")
    assert said.stdout == "é\ufffdé\ufffd\n"


BAD = [
    (
        ("train", "--system", "sem_propagator"),
        "'sem_propagator' does not learn from text; this installation offers sem",
    ),
    (("train", *FAKE, "--size", "vast"), "no size 'vast'; parrot offers tiny"),
    (("train", *FAKE, "--variant", "best"), "no variant 'best'; parrot offers status_quo, all_on"),
    (("train", *FAKE, "--switch", "pace=slwo"), "--switch pace: no level 'slwo'; parrot offers usual, slow"),
    (("train", *FAKE, "--switch", "tempo=slow"), "--switch tempo: no switch 'tempo'; parrot offers pace, label"),
    (("train", *FAKE, "--switch", "pace"), "--switch 'pace': no name and value; NAME=VALUE would do"),
    (("train", *FAKE, "--set", "dt=9e9"), "--set dt=9e9: 9000000000.0 is above the range; dt takes a number from"),
    (("train", *FAKE, "--set", "threads=2"), "--set threads: a condition of runs; parrot offers width, rows, dt"),
    (("train", *FAKE, "--threads", "9999"), "--threads: 9999 is above the range; threads takes a whole number from 1"),
    (("generate", *FAKE, "--device", "cuda"), "--device: no device 'cuda'; parrot offers virtual"),
    (
        ("train", "--system", "tests.learning_fakes:HUGE"),
        "GB may be used here; a smaller --size or batch_size would do",
    ),
    (("train", *FAKE, "--checkpoint", "a.pt", "--steps", "3"), "--checkpoint says what is trained and how"),
    (("generate", *FAKE, "--checkpoint", "a.pt", "--size", "tiny"), "--checkpoint says what the model is"),
    (
        ("generate", *FAKE, "--checkpoint", "a.pt"),
        "a.pt cannot be read: No such file or directory; `semh train` writes",
    ),
    (("generate", *FAKE, "--checkpoint", "bad.pt"), "bad.pt is no checkpoint"),
    (("generate", *FAKE, "--top-p", "0"), "top_p 0.0 makes no sense"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_what_cannot_be_done_is_one_line(semh, words, message):
    Path("bad.pt").write_text("not json")
    said = semh(*words)
    assert said.code == 2 and said.stdout == ""
    assert message in said.stderr.splitlines()[-1] and said.stderr.splitlines()[-1].startswith("semh: ")
    assert not Path("model.pt").exists()


def test_one_of_the_registered_systems_learns_and_is_the_one_meant():
    assert learning.learners() == ["sem"]
    assert isinstance(load_system("sem"), Learning) and not isinstance(load_system("sem_propagator"), Learning)


def test_where_several_learn_one_must_be_named(semh, monkeypatch):
    monkeypatch.setattr(learning, "learners", lambda: ["one", "two"])
    assert "--system is needed; this installation offers one, two" in semh("train").stderr


def test_the_real_system_is_trained_kept_and_drawn_from(tmp_path):
    small = ("width=16", "seq_len=8", "propagator_width=129", "candidates=8", "kept=4", "batch_size=64")
    file, heard = tmp_path / "model.pt", []
    options = {"steps": 2, "seed": 0, "base_rate": None}
    learning.train(None, Asked(settings=small), checkpoint=None, out=file, say=heard.append, **options)
    assert [line.split(" · ")[0] for line in heard[:2]] == ["1/2", "2/2"]
    chain = {"temperature": 0.8, "top_p": 0.9}
    texts = [
        "".join(
            learning.generate(
                None, Asked(), checkpoint=file, prompt="The ", tokens=20, seed=seed, sampling=chain, say=heard.append
            )
        )
        for seed in (0, 0, 1)
    ]
    assert texts[0] == texts[1] != texts[2] and texts[0].startswith("The ") and len(texts[0]) > 8
