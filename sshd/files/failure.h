/* Why a request failed: an SFTP status and words for the person.  Each fills w->failure and returns -1, for `return fail(...)`. */
#ifndef FILES_FAILURE_H
#define FILES_FAILURE_H

#include "base/attr.h"
#include "sshd/files/worker.h"

int fail(struct worker *w, uint32_t status, const char *fmt, ...) PRINTF(3, 4);
/* By errno, which may be any; a full disk is told apart from a full inode table here. */
int fail_errno(struct worker *w, int no);

#endif
