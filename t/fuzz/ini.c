/* The ini files of a configuration: all kinds of them, split at bytes 0xff; the last part is a keys_file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/ini.h"
#include "t/fuzz/fuzz.h"

static const char *const files[] = { "accounts.ini", "servers.d/a.ini", "holdfast.ini", "keys" };

static void prepare(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    FREE_MEM char *servers = mem_fmt("%s/servers.d", work_folder());
    if (mkdir(servers, 0700) < 0)
        die_errno("mkdir");
}

static void put_file(const char *name, const uint8_t *bytes, size_t size)
{
    FREE_MEM char *path = mem_fmt("%s/%s", work_folder(), name);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        die_errno("%s", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct conf c;
    struct conf_errors errors = { 0 };
    prepare();
    for (size_t i = 0; i < countof(files); i++) {
        const uint8_t *end = i + 1 < countof(files) && size ? memchr(bytes, 0xff, size) : NULL;
        size_t part = end ? (size_t)(end - bytes) : size;
        put_file(files[i], bytes, part);
        bytes += part + (end != NULL);
        size -= part + (end != NULL);
    }
    int r = ini_read(work_folder(), &c, &errors);
    invariant((r < 0) == (errors.n > 0));
    for (size_t i = 0; i < c.naccounts; i++)
        invariant(conf_account(&c, c.accounts[i].name) == &c.accounts[i]);
    for (size_t i = 0; i < c.nservers; i++)
        invariant(conf_server(&c, c.servers[i].name) == &c.servers[i]);
    conf_errors_free(&errors);
    conf_free(&c);
    return 0;
}
