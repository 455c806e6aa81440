/* What a check of the doctor's gets and gives. */
#ifndef SUPERVISOR_DOCTOR_VISIT_H
#define SUPERVISOR_DOCTOR_VISIT_H

#include "base/conf.h"

enum verdict { OK, WARN, FAIL };

struct visit {
    const struct conf *conf;
    const char *folder;
    bool live;
    char text[1200];
};

/* doctor_quota.c */
enum verdict check_quota(struct visit *v);
/* doctor_net.c */
enum verdict check_nftables(struct visit *v);
enum verdict check_forwarding(struct visit *v);
enum verdict check_published(struct visit *v);

#endif
