-- The most that an account may do anywhere, and a number that grows with each change of its keys, rights or state.

ALTER TABLE account ADD COLUMN rights INTEGER NOT NULL DEFAULT 4294967295;   -- of base/rights.h, on every server
ALTER TABLE account ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

-- The last one given.  One count for all: an account that left and came back goes on above what it had.
CREATE TABLE generation (last INTEGER NOT NULL);
INSERT INTO generation VALUES (0);
