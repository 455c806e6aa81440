/* The packet filter as text for libnftables: pure functions of the settings and of one server.  Everything of ours is in one table; what the
   kernel holds is always rules_table followed by rules_add of each server. */
#ifndef SANDBOX_FILTER_RULES_H
#define SANDBOX_FILTER_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/net.h"

enum { TABLE_MOST = 64, INTERFACE_MOST = 16 };

struct rules_port { uint16_t port; bool udp; };

/* Of one family: whether the machine routes it at all, and whether it does so only because we asked for it. */
struct rules_family { bool routed, ours; };

struct settings {
    char table[TABLE_MOST + 1];
    struct net pool[2];                  /* IPv4, IPv6; the second of 0 bits: no IPv6 */
    struct net *dns, *publish;           /* whole addresses; no publish: all of the host's */
    uint32_t ndns, npublish;
    uint16_t *control;                   /* TCP ports that we listen on ourselves */
    uint32_t ncontrol;
    struct rules_family family[2];
};

struct server {
    struct server *next;
    char *name;
    char interface[INTERFACE_MOST];
    struct net inside[2];                /* whole; the second of 0 bits: none */
    struct rules_port *ports;
    struct egress *egress;
    char (*links)[INTERFACE_MOST];       /* interfaces of servers it may connect to */
    uint32_t nports, negress, nlinks;
    uint64_t up, down;                   /* bytes a second; 0: no limit */
};

/* Replaces the table, whatever was there, by one without servers. */
void rules_table(const struct settings *s, struct buf *out);
/* What the server adds to the table, and takes along. */
void rules_add(const struct settings *s, const struct server *v, struct buf *out);
void rules_remove(const struct settings *s, const struct server *v, struct buf *out);
/* The table is no more. */
void rules_end(const struct settings *s, struct buf *out);

#endif
