-- What is wanted of servers, and how they last ended, as the supervisor has it in memory: for the next one.

CREATE TABLE wanted (
    server TEXT PRIMARY KEY REFERENCES server (name),
    wish INTEGER NOT NULL,              -- of store/proto.h
    locked TEXT NOT NULL,               -- by the admin: why; '' it is not
    ended INTEGER NOT NULL,             -- is there an end?
    code INTEGER NOT NULL,              -- of it
    signal INTEGER NOT NULL,
    since INTEGER NOT NULL,             -- wall clock, ms
    reason TEXT NOT NULL
) WITHOUT ROWID;
