"""Where the time of one call goes, operator by operator: `semh trace`.

    choose.py            one cell of a plan
    one.py               a fresh worker under the suite's own process conditions
    measure/profile.py   what it does: the raw trace
    events.py, ranges.py the stages of the backward pass are drawn into that
    operators.py         sums by operator and stage: the record `Operators`
    compare.py           two of those side by side, or one alone
    report/trace.py      their tables
    take.py              all of this in order

A trace explains; its times are inflated by the profiler, and only `semh run` measures.
"""
