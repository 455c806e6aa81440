/* A files worker over a directory of its own, for tests: as root it runs as another uid. */
#ifndef T_PROC_FILES_RIG_H
#define T_PROC_FILES_RIG_H

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "base/msg.h"
#include "quota/gate.h"
#include "sshd/attrs.h"
#include "sshd/proto.h"

enum { RIG_UID = 54321, RIG_HANDLES = 8, RIG_ACCOUNT = 100, RIG_NODE = 200 };

/* A server's directory `in`, beside it `out` with the canary, both the worker's uid's: only the worker's own care keeps it inside. */
struct files_rig {
    char top[64], in[80], out[80];
    int link;
    pid_t pid;
    struct gate *gate, *handles;   /* of the disk, of the account */
    uint32_t usage;                /* kind, for the next start; with DISK_COUNT_FILE that file */
    int usage_fd;
    const char *const *deny;       /* patterns, up to a NULL, for the next start; NULL: none */
    uint32_t id;
    struct msg answer;   /* the last one, at the request's own fields */
    uint32_t status;     /* of it */
    char *text;          /* its words */
    bool mounted;
};
extern struct files_rig rig;

void rig_own(const char *path);
void rig_put(const char *dir, const char *name, const char *text);
/* Makes the folders; starts the worker in them; both. */
void rig_folders(void);
void rig_start(uint32_t rights, uint64_t limit);
void rig_up_with(uint32_t rights, uint64_t limit);
void rig_up(void);
/* The worker must end well.  rig_clean_up is for tests that failed, too. */
void rig_down(void);
void rig_clean_up(void);
void rig_run(const char *const argv[]);

/* FIELDS: p a path, u a u32, U a u64, a attributes.  Returns the status. */
uint32_t ask(uint16_t type, const char *fields, ...);
/* The handle, or -1; the descriptor and the lease that came with it. */
int file_open(const char *path, uint32_t flags);
extern int opened_fd;
extern uint64_t opened_lease;
extern uint32_t opened_made;   /* the worker said that the file is new */
void file_close(int handle);
/* A close has no answer: that of what is asked next says that it is done. */
void handle_close(uint32_t handle);
/* What stands at NAME, as the test itself sees it; all 0 when nothing does. */
struct stat inside(const char *name);

#define ok(...) cr_assert_eq(ask(__VA_ARGS__), FX_OK, "%s", rig.text)
#define refused(status, ...) cr_assert_eq(ask(__VA_ARGS__), status, "%s", rig.text)
#define says(words) cr_assert(strstr(rig.text, words), "text: %s", rig.text)

#endif
