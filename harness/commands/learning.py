"""Commands about a system itself: what it holds, and what it learns."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    DeviceOption,
    SetOption,
    SizeOption,
    SwitchOption,
    SystemOption,
    TorchThreadsOption,
    VariantOption,
    complain,
    say,
    show_all,
)


def memory(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="one that can count, as `semh systems` lists it")],
    size: Annotated[str | None, typer.Option("--size", help="default the one a stated table speaks of")] = None,
    variant: Annotated[str | None, typer.Option("--variant", help="a named variant; default status_quo")] = None,
    switch: SwitchOption = None,
    set_: SetOption = None,
    mode: Annotated[str | None, typer.Option("--mode", help="default train_step")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="measure a call too, in a process of its own")] = False,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="K=V", help="measure under this condition; may be repeated")
    ] = None,
) -> None:
    """Count what a call holds, tensor by tensor, beside what a document states. Nothing so large is allocated."""
    from harness.asked import Asked
    from harness.holdings.ask import answer
    from harness.trace.one import TraceError

    asked = Asked(size, variant, tuple(switch or ()), tuple(set_ or ()))
    try:
        show_all(answer(system, asked, mode, tuple(at or ()) if measure or at else None, say))
    except TraceError as error:
        complain(str(error))
        raise typer.Exit(3) from None


def train(
    system: SystemOption = None,
    size: SizeOption = None,
    variant: VariantOption = None,
    switch: SwitchOption = None,
    set_: SetOption = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="default 300")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="of parameters and windows; default 0")] = None,
    base_rate: Annotated[
        float | None, typer.Option("--base-rate", help="of learning; default the system's own")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="where the checkpoint goes; default model.pt")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="go on with an interrupted training")
    ] = None,
    threads: TorchThreadsOption = 1,
    device: DeviceOption = None,
) -> None:
    """Train a system on its text and keep it in a checkpoint. Measures nothing."""
    from harness.asked import Asked
    from harness.learning import Place
    from harness.learning import train as learn

    asked = Asked(size, variant, tuple(switch or ()), tuple(set_ or ()))
    try:
        file = learn(
            system,
            asked,
            checkpoint=checkpoint,
            out=out,
            steps=steps,
            seed=seed,
            base_rate=base_rate,
            say=say,
            place=Place(threads, device),
        )
    except KeyboardInterrupt:
        kept = shlex.quote(str(out or checkpoint or "model.pt"))
        complain(f"interrupted; go on from what was kept with: semh train --checkpoint {kept}")
        raise typer.Exit(130) from None
    typer.echo(f"Checkpoint: {file}")


def generate(
    system: SystemOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="what `semh train` wrote; default a fresh model")
    ] = None,
    size: SizeOption = None,
    variant: VariantOption = None,
    switch: SwitchOption = None,
    set_: SetOption = None,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", help="what is gone on from")] = "The ",
    tokens: Annotated[int, typer.Option("--tokens", min=0)] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    repetition: Annotated[float, typer.Option("--repetition", help="logits of seen tokens: divided by; 1 off")] = 1.0,
    presence: Annotated[float, typer.Option("--presence", help="taken off the logits of drawn tokens; 0 off")] = 0.0,
    frequency: Annotated[float, typer.Option("--frequency", help="the same, each time one was drawn; 0 off")] = 0.0,
    no_repeat_ngram: Annotated[int, typer.Option("--no-repeat-ngram", help="no n-gram twice; 0 off")] = 0,
    temperature: Annotated[float, typer.Option("--temperature", help="0: always the most probable")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", help="the k most probable; 0 off")] = 0,
    top_p: Annotated[float, typer.Option("--top-p", help="the most probable of this mass; 1 off")] = 1.0,
    min_p: Annotated[float, typer.Option("--min-p", help="this share of the most probable at least; 0 off")] = 0.0,
    typical: Annotated[float, typer.Option("--typical", help="the most typical of this mass; 1 off")] = 1.0,
    threads: TorchThreadsOption = 1,
    device: DeviceOption = None,
) -> None:
    """Draw text from a checkpoint, or from a fresh model, whose text is noise. The same seed, the same text.

    Sampler options are listed in the order in which they act.
    """
    from harness.asked import Asked
    from harness.learning import Place
    from harness.learning import generate as draw

    sampling = {
        "repetition": repetition,
        "presence": presence,
        "frequency": frequency,
        "no_repeat_ngram": no_repeat_ngram,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "typical": typical,
    }
    asked = Asked(size, variant, tuple(switch or ()), tuple(set_ or ()))
    for piece in draw(
        system,
        asked,
        checkpoint=checkpoint,
        prompt=prompt,
        tokens=tokens,
        seed=seed,
        sampling=sampling,
        say=say,
        place=Place(threads, device),
    ):
        typer.echo(piece, nl=False)
    typer.echo()
