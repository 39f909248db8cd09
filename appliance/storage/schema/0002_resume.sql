-- From where a source goes on after our own restart.

-- The newest source time of each tag that is folded into chunks (never one of ours).
CREATE TABLE newest (
    tag INTEGER PRIMARY KEY,
    source_time_ns INTEGER NOT NULL
) STRICT;

-- Tags whose past is not whole yet, and since when: a source still fills it.
CREATE TABLE unfilled (
    tag INTEGER PRIMARY KEY,
    from_ns INTEGER NOT NULL
) STRICT;
