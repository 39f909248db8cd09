-- What a damaged buffer, set aside, still owes to this one.

CREATE TABLE salvage (
    file TEXT PRIMARY KEY,              -- its name, beside this one
    begun_ns INTEGER NOT NULL,
    stage INTEGER NOT NULL,             -- which of its tables is read now
    at INTEGER NOT NULL,                -- up to which row it is read
    gap INTEGER,                        -- the gap that still counts what is missing
    owed TEXT NOT NULL                  -- JSON: how many of what are missing, and numbers
) STRICT;
