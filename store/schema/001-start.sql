-- Accounts and servers as the ini files have them, and what only the store knows: passwords, server numbers, backups.

CREATE TABLE account (
    name TEXT PRIMARY KEY,
    password INTEGER NOT NULL,          -- may it log in with one?
    suspended INTEGER NOT NULL,
    max_connections INTEGER NOT NULL,
    digest BLOB NOT NULL                -- of all the ini says about it, to see what changed
) WITHOUT ROWID;

CREATE TABLE key (
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    hash BLOB NOT NULL CHECK (length(hash) = 32),   -- keyed BLAKE2b of the key blob; the blob itself is nowhere
    type TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (account, hash)
) WITHOUT ROWID;
CREATE INDEX key_hash ON key (hash);

-- Goes with its account: a later account of the same name does not inherit it.
CREATE TABLE password (
    account TEXT PRIMARY KEY REFERENCES account (name) ON DELETE CASCADE,
    hash TEXT NOT NULL,                 -- Argon2id, with its salt and limits
    changed INTEGER NOT NULL            -- wall clock, ms
) WITHOUT ROWID;

-- A row stays when its server leaves the configuration (owner is NULL then): uids and addresses follow the number, and files of
-- the old server may still lie on the disk.
CREATE TABLE server (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE CHECK (number >= 0),
    owner TEXT REFERENCES account (name),
    digest BLOB
) WITHOUT ROWID;
CREATE INDEX server_owner ON server (owner);

CREATE TABLE allow (
    server TEXT NOT NULL REFERENCES server (name),
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    rights INTEGER NOT NULL,
    PRIMARY KEY (account, server)
) WITHOUT ROWID;
CREATE INDEX allow_server ON allow (server);

CREATE TABLE backup (
    id TEXT PRIMARY KEY,
    server TEXT NOT NULL REFERENCES server (name),
    account TEXT NOT NULL,              -- who asked for it; no reference, it outlives the account
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    created INTEGER NOT NULL,           -- wall clock, ms
    size INTEGER NOT NULL,
    label TEXT NOT NULL,
    locked INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX backup_server ON backup (server, created);
