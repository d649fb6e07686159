"""What happens inside one worker process: clocks, stages, memory, guards, and the four kinds of process.

`prepare` fills compile caches and reads probes, `sameness` compares with the float64 oracle, `memory` reads one
cell's peak, `trial` takes the interleaved samples. Torch is touched only through duck typing and inside functions.
"""
