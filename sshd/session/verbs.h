/* The one table of verbs. */
#ifndef SESSION_VERBS_H
#define SESSION_VERBS_H

#include "sshd/session/exec.h"

/* Ends with an entry whose name is NULL. */
extern const struct verb verbs[];

/* The verb WORDS begin with and how many words its name has; NULL for an unknown one.  *GROUP is set when the first word alone begins a
   name of two. */
const struct verb *verb_find(char **words, size_t *nwords, bool *group);

void verb_status(struct exec *x);
void verb_greeting(struct exec *x);
void verb_power(struct exec *x);
void verb_console(struct exec *x);
void verb_send(struct exec *x);
void verb_logs(struct exec *x);
void verb_quota(struct exec *x);
void verb_whoami(struct exec *x);
void verb_limits(struct exec *x);
void verb_sessions(struct exec *x);
void verb_backup_create(struct exec *x);
void verb_backup_list(struct exec *x);
void verb_backup_get(struct exec *x);
void verb_top(struct exec *x);
void verb_activity(struct exec *x);
void verb_events(struct exec *x);
void verb_keys_list(struct exec *x);
void verb_keys_add(struct exec *x);
void verb_keys_rm(struct exec *x);
void verb_help(struct exec *x);
void verb_version(struct exec *x);
void verb_df(struct exec *x);
void verb_du(struct exec *x);
void verb_sum(struct exec *x);
void verb_scp(struct exec *x);
void verb_test(struct exec *x);
void verb_echo(struct exec *x);
void verb_true(struct exec *x);
void verb_pwd(struct exec *x);
void verb_rsync(struct exec *x);
void verb_shell(struct exec *x);
void verb_passwd(struct exec *x);
void verb_totp_enroll(struct exec *x);
void verb_totp_verify(struct exec *x);
void verb_totp_codes(struct exec *x);
void verb_totp_remove(struct exec *x);

#endif
