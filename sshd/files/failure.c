#include "sshd/files/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sshd/attrs.h"
#include "sshd/files/beneath.h"
#include "sshd/files/space.h"

/* Statuses as clients of version 3 expect them ("unsupported" is said of a whole request, which they then never send again): only "no such file", "permission denied" and "not supported" have a number of their own. */
static const struct { int no; uint32_t status; const char *text; } reasons[] = {
    { ENOENT, FX_NO_SUCH_FILE, "no such file or directory" },
    { ENOTDIR, FX_NO_SUCH_FILE, "a part of the path is not a directory" },
    { ELOOP, FX_NO_SUCH_FILE, "too many symbolic links, or one where none is allowed" },
    { EACCES, FX_PERMISSION_DENIED, "permission denied" },
    { EPERM, FX_PERMISSION_DENIED, "operation not permitted" },
    { EROFS, FX_PERMISSION_DENIED, "read-only file system" },
    { EXDEV, FX_PERMISSION_DENIED, "the path leaves this server's files (a symbolic link to an absolute path, or above its top, "
                                   "is not followed here)" },
    { EEXIST, FX_FAILURE, "it exists already" },
    { ENOTEMPTY, FX_FAILURE, "directory not empty" },
    { EISDIR, FX_FAILURE, "is a directory" },
    { ENAMETOOLONG, FX_FAILURE, "name too long (at most 255 bytes each, 4095 in all)" },
    { EMFILE, FX_FAILURE, "too many open files" },
    { ENFILE, FX_FAILURE, "too many open files" },
    { EMLINK, FX_FAILURE, "too many links to it" },
    { ETXTBSY, FX_FAILURE, "it is a program that is running" },
    { EBUSY, FX_FAILURE, "it is in use" },
    { EFBIG, FX_FAILURE, "file too large" },
    { EIO, FX_FAILURE, "input/output error on the disk" },
    { EUCLEAN, FX_FAILURE, "the file system is damaged; tell the admin" },
    { EOVERFLOW, FX_FAILURE, "value too large" },
    { EAGAIN, FX_FAILURE, "it is being renamed at this moment; try again" },
    { ENOMEM, FX_FAILURE, "out of memory" },
    { ENXIO, FX_FAILURE, "not a regular file" },
    { ENODEV, FX_FAILURE, "not a regular file" },
    { EINVAL, FX_FAILURE, "invalid argument" },
    { EILSEQ, FX_FAILURE, "the file system does not take this name" },
    { ENOSYS, FX_OP_UNSUPPORTED, "not supported" },
    { EOPNOTSUPP, FX_FAILURE, "not supported" },
};

int fail(struct worker *w, uint32_t status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->failure.text, sizeof w->failure.text, fmt, ap);
    va_end(ap);
    w->failure.status = status;
    return -1;
}

int fail_errno(struct worker *w, int no)
{
    if (no == ENOSPC || no == EDQUOT)
        return fail_space(w);
    if (no == EHIDDEN)
        return fail(w, FX_PERMISSION_DENIED, "hidden by the admin (deny = %s)", w->pattern);
    if (no == EHELD)
        return fail(w, FX_PERMISSION_DENIED, "kept as it is by the admin, for what is hidden below it (deny = %s)", w->pattern);
    for (size_t i = 0; i < countof(reasons); i++)
        if (reasons[i].no == no)
            return fail(w, reasons[i].status, "%s", reasons[i].text);
    return fail(w, FX_FAILURE, "%s", strerror(no));
}
