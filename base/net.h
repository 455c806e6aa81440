/* Networks and rules about them, as text in the ini files. */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct net {
    bool six;
    uint8_t address[16];   /* the first 4 for IPv4; network order */
    unsigned bits;
};
enum { NET_TEXT = INET6_ADDRSTRLEN + 4 };

/* "ADDRESS" or "ADDRESS/BITS"; bits set behind the first BITS are an error.  0, or -1 with WHY (may be NULL). */
int net_parse(const char *text, struct net *n, struct err *why);
/* As "ADDRESS/BITS", in BUF of NET_TEXT bytes.  Returns BUF. */
const char *net_text(const struct net *n, char *buf);
bool net_whole(const struct net *n);   /* one address alone */
/* The address number INDEX of N (IPv6), in BUF of INET6_ADDRSTRLEN bytes; "" if N has no room for it. */
const char *net_address6(const struct net *n, uint64_t index, char *buf);

struct egress {
    bool allow;
    struct net net;
    uint16_t low, high;    /* ports; 0, 0: all */
    uint8_t protocol;      /* IPPROTO_TCP, IPPROTO_UDP; 0: all, or with ports both */
};

/* "allow|deny NET[:PORT[-PORT]][/tcp|udp]"; an IPv6 network with ports stands in brackets.  0, or -1 with WHY. */
int egress_parse(const char *text, struct egress *r, struct err *why);

#endif
