-- What is held against sources of connections.  The supervisor has it in memory; a row says how much was left at `saved`.

CREATE TABLE source (
    address BLOB PRIMARY KEY CHECK (length(address) IN (4, 8)),   -- of IPv4, or the first half of one of IPv6
    saved INTEGER NOT NULL,             -- wall clock, ms
    ends INTEGER NOT NULL,              -- wall clock, ms: saved and the longest of the three; the row goes then
    penalty INTEGER NOT NULL,           -- ms of penalties left
    in_force INTEGER NOT NULL,          -- are they?
    cool INTEGER NOT NULL,              -- ms it is refused for too many tries still
    tries INTEGER NOT NULL,             -- ms its tries are remembered still
    keys INTEGER NOT NULL,
    passwords INTEGER NOT NULL,
    why INTEGER NOT NULL,
    since INTEGER NOT NULL,             -- wall clock, ms
    refused INTEGER NOT NULL            -- connections turned away
) WITHOUT ROWID;
CREATE INDEX source_ends ON source (ends);
