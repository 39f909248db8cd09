-- Tiers of resolution, the extremes of a chunk, and what the log leaves to be remembered.

-- By tier and age: what retention takes next.
CREATE INDEX chunk_tier ON chunk (period_s, start_ns, tag);

-- The rows with the extremes of a raw chunk, for trends of long ranges. `id` is the
-- chunk's. A chunk without one is read whole.
CREATE TABLE preview (
    id INTEGER PRIMARY KEY REFERENCES chunk (id) ON DELETE CASCADE,
    rows INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;

-- The last event of each alarm and anomaly.
CREATE TABLE last_word (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    content BLOB NOT NULL,              -- wire.outbox.EventRow
    PRIMARY KEY (kind, subject)
) STRICT;

-- The highest number heard of another process, by its epoch.
CREATE TABLE origin (
    epoch TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

-- Gaps of acquisition that no event tells yet.
CREATE TABLE untold (
    gap INTEGER PRIMARY KEY
) STRICT;

-- A row says that the tables above and the counters of bytes agree with the rest.
-- Without one (an older release's buffer, a salvaged one) they are made anew.
CREATE TABLE derived (
    one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;
