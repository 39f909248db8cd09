-- The chain over the event log: each row vouches for its event and all before it.
-- Events from before this table are not in it (see storage.chain).
CREATE TABLE chain (
    seq INTEGER PRIMARY KEY,            -- of the event
    begins INTEGER NOT NULL,            -- 1: nothing before it is vouched for
    hash BLOB NOT NULL,                 -- SHA-256 of hash before, seq, SHA-256 of content
    digest BLOB                         -- SHA-256 of the content, once retention took it
) STRICT;
