"""The commands of `semh`, one file for each kind. Each imports what it needs when it is called; none imports torch."""
