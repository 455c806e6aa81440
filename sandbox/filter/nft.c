#include "sandbox/filter/nft.h"

#include <errno.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum { FIRST_FD = 4, LAST_FD = 63 };

struct nft {
    struct nft_ctx *ctx;
    int fd;              /* libnftables' own, looked at only */
};

static bool is_nft_socket(int fd)
{
    int domain = 0, protocol = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_NETLINK)
        return false;
    size = sizeof protocol;
    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_NETFILTER;
}

struct nft *nft_open(void)
{
    struct nft *n = mem_new(sizeof *n);
    n->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    if (n->ctx == NULL || nft_ctx_buffer_output(n->ctx) != 0 || nft_ctx_buffer_error(n->ctx) != 0)
        die_errno("libnftables");
    nft_ctx_output_set_flags(n->ctx, NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_STATELESS);
    /* The library does not say which one it made; no other of the kind is there yet. */
    for (n->fd = FIRST_FD; n->fd <= LAST_FD && !is_nft_socket(n->fd); n->fd++)
        ;
    if (n->fd > LAST_FD)
        die("libnftables has no socket");
    return n;
}

/* The output waits to be taken. */
static int run(struct nft *n, const char *step, const char *text, struct err *e)
{
    errno = 0;
    if (nft_run_cmd_from_buffer(n->ctx, text) == 0) {
        nft_ctx_get_error_buffer(n->ctx);
        return 0;
    }
    /* Its words have the kernel's error in them; behind the first line it shows where. */
    const char *words = nft_ctx_get_error_buffer(n->ctx);
    FREE_MEM char *first = mem_strn(words ? words : "", words ? strcspn(words, "\n") : 0);
    nft_ctx_get_output_buffer(n->ctx);
    return err_set(e, 0, step, "%s", esc_text(first[0] ? first : "refused"));
}

int nft_apply(struct nft *n, const char *step, const char *text, struct err *e)
{
    int r = run(n, step, text, e);
    if (r == 0)
        nft_ctx_get_output_buffer(n->ctx);
    return r;
}

char *nft_list(struct nft *n, const char *table, struct err *e)
{
    FREE_MEM char *command = mem_fmt("list table inet %s\n", table);
    if (run(n, "list table", command, e) < 0)
        return NULL;
    const char *got = nft_ctx_get_output_buffer(n->ctx);
    return mem_str(got ? got : "");
}

uint32_t nft_port(const struct nft *n)
{
    struct sockaddr_nl a = { 0 };
    socklen_t size = sizeof a;
    return getsockname(n->fd, (struct sockaddr *)&a, &size) < 0 ? 0 : a.nl_pid;
}
