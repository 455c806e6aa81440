/* The locks of this program. */
#ifndef SESSION_LOCKDOWN_H
#define SESSION_LOCKDOWN_H

/* Loads what libc and OpenSSL would open files for later on (time zone, openssl.cnf, the random generator).  Before lockdown. */
void lockdown_prepare(void);
/* rlimits, landlock without a single folder, seccomp; then no path can be named any more.  Dies when one fails. */
void lockdown(void);

#endif
