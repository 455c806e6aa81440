/* The files of servers, for verbs: one worker at a time, asked one thing at a time. */
#ifndef SESSION_EXEC_FILES_H
#define SESSION_EXEC_FILES_H

#include "sshd/attrs.h"
#include "sshd/proto.h"
#include "sshd/session/exec.h"
#include "sshd/session/files_client.h"
#include "sshd/session/sftp_path.h"

/* Where WORD leads, as SFTP has it.  NULL; or words that say why it leads nowhere (static). */
const char *exec_place(struct exec *x, const char *word, struct sftp_spot *spot);

/* From here on the command is about SERVER and relies on RIGHT there: it ends when that is lost. */
void exec_about(struct exec *x, const char *server, uint32_t right);

/* Sends M (begun by files_begin; taken over) to SERVER's worker, which is started when it must be; the one before it ends.  FN is called
   once from the loop, as files_fn, unless the command ends first.  The command is about SERVER then. */
typedef void exec_files_fn(struct exec *x, uint32_t status, const char *text, struct msg *answer);
void exec_files(struct exec *x, const char *server, uint32_t right, struct msg *m, exec_files_fn *fn);
/* The same for a question that leaves nothing with the worker, an open for reading among them: where one is lent (files_lend, files_keep) it is asked, as to
   start one costs more than a millisecond of processor time. */
void exec_files_once(struct exec *x, const char *server, uint32_t right, struct msg *m, exec_files_fn *fn);
/* Sends M to the same worker, whose answer is not waited for. */
void exec_files_tell(struct exec *x, struct msg *m);
/* files_take, in the function that is called with ANSWER. */
int exec_files_take(struct exec *x, struct msg *answer);
/* The link to that worker, for a file it has opened: valid as long as no other server is named here and the command goes on.  NULL: none. */
struct files *exec_files_link(const struct exec *x);
/* exec.c, at the end of a command. */
void exec_files_end(struct exec *x);

#endif
