"""One worker process: `python -P -m harness.worker RUN_FOLDER NUMBER`.

Finds its orders in the run's manifest, does them, and appends its records to `trials/NNN.jsonl`: guards, warm-up,
interleaved samples. It writes nothing to stdout (a pipe whose end tells the runner that the process ended) and keeps
a breadcrumb in `trials/NNN.now`. Exit code 0 if and only if its file ends with an End record;
EX_IOERR if that file could not be written, which is no cell's fault.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import StoreError
from harness.measure import confirm, lacking, once, profile, trial
from harness.measure.device import DEVICES
from harness.measure.device_facts import fix_settings
from harness.measure.environment import load_average
from harness.measure.memory import process_peak_bytes
from harness.measure.parent import die_with_parent
from harness.measure.workshop import Breadcrumb, Workshop
from harness.records import Cell, End, Manifest, Part, Process, Start
from harness.store import RunFolder
from harness.systems import load_system

PROCESSES = {
    "prepare": once.prepare,
    "sameness": once.sameness,
    "memory": once.measure_memory,
    "trial": trial.run_trial,
    "recheck": trial.run_trial,
    "confirm": confirm.run_alone,
    "trace": profile.trace,
}


def main(arguments: list[str]) -> None:
    die_with_parent()
    began = time.perf_counter()
    folder = RunFolder(Path(arguments[0]))
    number = int(arguments[1])
    manifest = folder.manifest()
    process = next(process for process in manifest.processes if process.number == number)
    part = next(part for part in manifest.plan.parts if part.name == process.part)
    cells = [cell for cell in part.cells if cell.id in process.cells]
    file = folder.trial_file(number)
    breadcrumb = Breadcrumb(str(file.with_suffix(".now")))
    breadcrumb.drop("", "import", 0.0)
    with file.open("ab", buffering=0) as stream:
        shop = Workshop(manifest.plan, part, process, cells, load_system(part.system), stream, breadcrumb)
        set_up_torch(shop)
        import_s = time.perf_counter() - began
        breadcrumb.drop(cells[0].id, "batch", 0.0)
        shop.write(_start(shop, manifest, part, process, cells))
        lacking.set_aside(shop)
        if shop.cells:
            PROCESSES[process.process](shop)
        shop.write(
            End(
                wall_s=time.perf_counter() - began,
                import_s=import_s,
                sampled_s=shop.sampled_s,
                peak_bytes=process_peak_bytes(),
            )
        )


def set_up_torch(shop: Workshop) -> None:
    """Thread count, denormals and the settings of devices, which torch keeps per process. A virtual device needs no
    torch at all."""
    if shop.device == "virtual":
        return
    import torch

    torch.set_num_threads(shop.threads)
    torch.set_flush_denormal(bool(shop.cells[0].conditions.get("flush_denormal", False)))
    for device in sorted({str(cell.conditions.get("device", "cpu")) for cell in shop.cells} & set(DEVICES)):
        fix_settings(device)


def _start(shop: Workshop, manifest: Manifest, part: Part, process: Process, cells: list[Cell]) -> Start:
    batch = shop.system.batch(cells[0].conditions, manifest.plan.seed, str(cells[0].conditions.get("dtype", "float32")))
    return Start(
        process=process.process,
        part=part.name,
        group=process.group,
        trial=process.trial,
        attempt=process.attempt,
        cells=tuple(cell.id for cell in cells),
        pid=os.getpid(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        threads=shop.threads,
        allocator=str(cells[0].conditions.get("allocator", "default")),
        load_average=load_average(),
        facts=dict(batch.facts),
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(os.EX_IOERR)
