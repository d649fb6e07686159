"""What makes this machine noisy, what it offers for measuring, and what to do about either.

`load` who else is at work, `processor` clock rate, cores and heat, `limits` quota, memory and disk, `software` kernel,
allocator, threads and tools, `devices` others than the processor, `records` what results/ knows of this machine,
`tools` what levels need, `selftest` three seconds of measuring in earnest. Imports no torch: a device is asked in a
process of its own, and only where the kernel has a node for it, and so is what levels need.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.devices import devices
from harness.doctor.finding import Finding, Machine
from harness.doctor.limits import limit_findings
from harness.doctor.load import load_findings
from harness.doctor.processor import processor_findings
from harness.doctor.records import record_findings
from harness.doctor.software import software_findings

__all__ = ["Finding", "Machine", "findings"]


def findings(machine: Machine | None = None, *, quick: bool = False) -> Iterator[Finding]:
    """`quick` leaves out what levels need, which may be compiled for it, and the self test."""
    machine = machine or Machine()
    yield from load_findings(machine)
    yield from processor_findings(machine)
    yield from limit_findings(machine)
    yield from software_findings(machine)
    yield from devices()
    yield from record_findings(machine)
    if not quick:
        from harness.doctor.selftest import self_test, self_test_findings
        from harness.doctor.tools import tool_findings

        yield from tool_findings()
        yield from self_test_findings(self_test())
