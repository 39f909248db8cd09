-- Eras of this gateway's clock (see domain.era), and what each was wrong by.
-- Rows are only ever appended; nothing that was stamped is changed.

-- With shift_ns (wall clock less monotonic clock): an era begins, at from_monotonic_ns
-- since the boot. With offset_ns (to be added; 0: it is right): what an era was wrong by.
CREATE TABLE clock (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    era INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    from_monotonic_ns INTEGER NOT NULL,
    shift_ns INTEGER,
    to_monotonic_ns INTEGER,
    from_ns INTEGER,
    to_ns INTEGER,
    offset_ns INTEGER,
    CHECK ((shift_ns IS NULL) <> (offset_ns IS NULL))
) STRICT;
