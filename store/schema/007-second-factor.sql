-- The second factor: seeds of codes, recovery codes, and what wrong codes cost.  All of it goes with its account.

ALTER TABLE account ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;   -- does the ini ask for one?

CREATE TABLE seed (
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active')),
    id INTEGER NOT NULL,                -- random, for good: sessions are held to it
    sealed BLOB NOT NULL,               -- bound to account and id
    made INTEGER NOT NULL,              -- wall clock, ms
    counter INTEGER NOT NULL,           -- the last one a code was taken of
    PRIMARY KEY (account, state)
) WITHOUT ROWID;

CREATE TABLE recovery (
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    hash BLOB NOT NULL CHECK (length(hash) = 32),   -- keyed BLAKE2b of account and code
    PRIMARY KEY (account, hash)
) WITHOUT ROWID;

CREATE TABLE wrong_codes (
    account TEXT PRIMARY KEY REFERENCES account (name) ON DELETE CASCADE,
    n INTEGER NOT NULL,                 -- in a row
    until INTEGER NOT NULL              -- wall clock, ms: none is looked at before
) WITHOUT ROWID;
