/* The password helper: a guardian without a task, and its child that computes.  A computation takes 64 MiB, so the child is what the
   kernel kills when memory is short; the guardian says so and starts another one on the same link. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "store/stored/lock.h"
#include "store/stored/password.h"
#include "store/stored/pwhash.h"
#include "store/stored/secret.h"

static void reply(const struct msg *m)
{
    if (msg_send(LINK_FD, m) < 0)
        die_errno("pwhash: send");
}

static void verify(struct msg *m)
{
    size_t size;
    FREE_MEM char *hash = msg_get_text(m, crypto_pwhash_STRBYTES - 1);
    const uint8_t *password = msg_get_bytes(m, &size);
    msg_end(m);
    MSG_FREE struct msg out;
    msg_begin(&out, PWHASH_VERIFIED, m->id);
    msg_put_u32(&out, crypto_pwhash_str_verify(hash, (const char *)password, size) == 0);
    reply(&out);
}

static void make(struct msg *m)
{
    char hash[crypto_pwhash_STRBYTES];
    size_t size;
    const uint8_t *password = msg_get_bytes(m, &size);
    msg_end(m);
    if (crypto_pwhash_str(hash, (const char *)password, size, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        hash[0] = '\0';
    MSG_FREE struct msg out;
    msg_begin(&out, PWHASH_MADE, m->id);
    msg_put_str(&out, hash);
    reply(&out);
}

static NORETURN void work(void)
{
    secret_lock_memory();
    for (;;) {
        struct msg m;
        if (msg_recv(LINK_FD, &m) <= 0)
            _exit(0);
        if (m.type == PWHASH_VERIFY)
            verify(&m);
        else if (m.type == PWHASH_MAKE)
            make(&m);
        else
            die("pwhash: message %u is not one of ours", m.type);
        msg_wipe(&m);
    }
}

static void start(void)
{
    MSG_FREE struct msg m;
    if (msg_recv(LINK_FD, &m) <= 0)
        _exit(0);
    if (m.type != PWHASH_LEVEL)
        die("pwhash: message %u came first", m.type);
    log_init("holdfast-store", msg_get_u32(&m));
    msg_end(&m);
}

/* Returns the child's wait status. */
static int one_life(void)
{
    pid_t guardian = getpid();
    pid_t pid = fork();
    if (pid < 0)
        die_errno("pwhash: fork");
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != guardian)
            _exit(EXIT_DIE);
        work();
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die_errno("pwhash: waitpid");
    return status;
}

NORETURN void pwhash_main(void)
{
    start();
    if (sodium_init() < 0)
        die("libsodium does not start");
    lock_pwhash();
    for (;;) {
        int status = one_life();
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            _exit(0);
        log_error("pwhash.died", "signal=%d exit_code=%d", WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                  WIFEXITED(status) ? WEXITSTATUS(status) : 0);
        MSG_FREE struct msg m;
        msg_begin(&m, PWHASH_LOST, 0);
        if (msg_send(LINK_FD, &m) < 0)
            _exit(0);
    }
}
