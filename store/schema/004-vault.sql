-- Nothing in the database tells a key: hashes are made with a key that comes from secret.key, and fingerprints are sealed.  What is text in
-- sealed_print is not sealed yet; the store does that when it knows the secret key, before anything else.

ALTER TABLE key RENAME COLUMN fingerprint TO sealed_print;            -- bound to account and hash

CREATE TABLE vault (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL,                  -- which secret key everything is sealed with: its id, which tells nothing about it
    sealed_digest BLOB NOT NULL         -- the key that digests are made with
);
