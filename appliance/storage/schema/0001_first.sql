-- The buffer. One writer; times are UTC nanoseconds; blobs are sealed with a CRC-32.

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,                -- names this database for ever
    created_ns INTEGER NOT NULL,
    last_commit_ns INTEGER NOT NULL,    -- until here no sample is missing
    clean_shutdown INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never reused
    name TEXT NOT NULL UNIQUE,
    engineering_units TEXT NOT NULL,
    range_low REAL NOT NULL,
    range_high REAL NOT NULL,
    description TEXT NOT NULL
) STRICT;

-- The rows of one group commit, until they are folded into chunks.
CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    committed_ns INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;

-- A column of times, shared by the tags that were sampled together.
CREATE TABLE times (
    id INTEGER PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE INDEX times_start ON times (start_ns);

-- One tag's columns. period_s is 0 for raw samples, else the period of a roll-up.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    tag INTEGER NOT NULL,
    period_s INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    times INTEGER NOT NULL REFERENCES times (id),
    content BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_tag ON chunk (tag, start_ns);
CREATE INDEX chunk_times ON chunk (times);

CREATE TABLE waveform (
    id INTEGER PRIMARY KEY,
    tag INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    sample_rate_hz REAL NOT NULL,
    points INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    status INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE INDEX waveform_tag ON waveform (tag, start_ns);

CREATE TABLE text (
    id INTEGER PRIMARY KEY,
    tag INTEGER NOT NULL,
    source_time_ns INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    status INTEGER NOT NULL,
    is_integer INTEGER NOT NULL,
    content BLOB NOT NULL               -- UTF-8; decimal digits of an integer
) STRICT;
CREATE INDEX text_tag ON text (tag, source_time_ns);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,            -- its number in the event stream
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL               -- wire.outbox.EventRow
) STRICT;
CREATE INDEX event_time ON event (time_ns);

CREATE TABLE gap (
    id INTEGER PRIMARY KEY,
    what TEXT NOT NULL,
    reason TEXT NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,
    through INTEGER NOT NULL
) STRICT;
CREATE INDEX gap_what ON gap (what, to_ns);

-- One table per stream, so that each is numbered without holes for itself.
CREATE TABLE outbox_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE outbox_summary (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE outbox_health (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE outbox_snippet (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE outbox_gap (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
