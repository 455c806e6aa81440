-- Keys that accounts set themselves, beside those of the ini files.  The text of an own key is sealed; its label is inside.

ALTER TABLE account ADD COLUMN own_keys INTEGER NOT NULL DEFAULT 1;   -- may it have them?

CREATE TABLE key_2 (
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    hash BLOB NOT NULL CHECK (length(hash) = 32),   -- keyed BLAKE2b of the key blob
    origin TEXT NOT NULL CHECK (origin IN ('ini', 'own')),
    type TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    label TEXT NOT NULL,                -- '' of an own key
    line INTEGER NOT NULL,              -- its place among those of its origin
    added INTEGER NOT NULL,             -- wall clock, ms
    sealed BLOB,                        -- the line as it was written, bound to account and hash
    PRIMARY KEY (account, hash, origin),
    CHECK ((origin = 'own') = (sealed IS NOT NULL))
) WITHOUT ROWID;
INSERT INTO key_2 (account, hash, origin, type, fingerprint, label, line, added)
    SELECT account, hash, 'ini', type, fingerprint, label, row_number() OVER (PARTITION BY account ORDER BY hash),
           CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM key;
DROP TABLE key;
ALTER TABLE key_2 RENAME TO key;
CREATE INDEX key_hash ON key (hash);
