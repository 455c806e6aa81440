/* libnftables: text in, one transaction of the kernel's, words back. */
#ifndef SANDBOX_FILTER_NFT_H
#define SANDBOX_FILTER_NFT_H

#include <stdint.h>

#include "base/err.h"

struct nft;

/* Opens its netlink socket; before the locks.  Dies when it cannot. */
struct nft *nft_open(void);
/* All of TEXT or nothing.  0, or -1 with E. */
int nft_apply(struct nft *n, const char *step, const char *text, struct err *e);
/* The table of family inet as text: numbers, no counts.  NULL with E, or the caller's to free. */
char *nft_list(struct nft *n, const char *table, struct err *e);
/* What the kernel says of whom a change was made by: our socket's number. */
uint32_t nft_port(const struct nft *n);

#endif
