/* The locks of the store and of its password helper. */
#ifndef STORED_LOCK_H
#define STORED_LOCK_H

/* Once everything is open and the helper runs: nothing but the folder at FD can be named from here on. */
void lock_store(int folder);
/* No file at all. */
void lock_pwhash(void);

#endif
