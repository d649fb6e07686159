"""What a call holds in memory: what a document states, row by row, what the system's code makes, and what is measured.

stated.py    suites/claims/memory/*.yaml -> what a document's table says, as data
judged.py    a system's Holdings and a stated table -> rows, each with whether it holds
measured.py  one call in a process of its own -> bytes
tables.py    what `semh memory` prints
ask.py       the command: from what was asked to the tables
"""
