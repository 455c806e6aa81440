/* The packet filter's rules: pure functions of the settings and of one server.  Everything of ours is in one table. */
#ifndef SANDBOX_FILTER_RULES_H
#define SANDBOX_FILTER_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "sandbox/filter/state.h"

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

/* Put into OUT (state.h): what is there whatever the servers, what is there for a while, and what one server adds.  What the kernel holds is the
   first, the second and each of the third. */
void rules_common(const struct settings *s, struct state *out);
/* RATED: some server has a limit of what it is sent.  MARK: connections that passed are known by it (mark.h); 0: none is. */
void rules_present(const struct settings *s, bool rated, uint32_t mark, struct state *out);
void rules_server(const struct settings *s, const struct server *v, struct state *out);
/* What the kernel lists behind the key of an element that a packet made. */
extern const char rules_filled[];

#endif
