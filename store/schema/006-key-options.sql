-- What is written in front of a key, and when and from where it was last used to log in.

ALTER TABLE key ADD COLUMN options TEXT NOT NULL DEFAULT '';     -- as in authorized_keys
ALTER TABLE key ADD COLUMN used INTEGER NOT NULL DEFAULT 0;      -- wall clock, ms; 0: never
ALTER TABLE key ADD COLUMN used_from TEXT NOT NULL DEFAULT '';   -- address
