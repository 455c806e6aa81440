/* What the store and its password helper say to each other over the helper's descriptor 3. */
#ifndef STORED_PWHASH_H
#define STORED_PWHASH_H

enum pwhash_type {
    PWHASH_LEVEL = 1,    /* u32 log level; once, first */
    PWHASH_VERIFY,       /* str hash, bytes password -> PWHASH_VERIFIED: u32 right? */
    PWHASH_VERIFIED,
    PWHASH_MAKE,         /* bytes password -> PWHASH_MADE: str hash ("" if memory was short) */
    PWHASH_MADE,
    PWHASH_LOST,         /* the process that worked on the last request is gone */
};

#endif
