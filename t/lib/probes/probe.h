/* A program that runs inside a server and tries what must not be possible there.  What each try comes to is one word: "worked", the name of
   an errno or of a signal, or what the probe has said. */
#ifndef T_LIB_PROBES_PROBE_H
#define T_LIB_PROBES_PROBE_H

#include <stdbool.h>

struct probe {
    const char *name;
    long (*try)(const struct probe *p);   /* in a process of its own: at least 0, or -1 with errno, or what say() was given */
    const char *path;     /* or another text; "@KEY" is what the file `canary` in the working directory has as KEY=VALUE */
    long number, arg[6];
    const char *want;     /* the answers that are right, parted by | */
    const char *off;      /* the protections that hold it, by the names in t/lib/weaken.h: any one of them is enough */
    const char *open;     /* what it comes to without them; NULL: worked; *: anything but .want */
    const char *why;      /* why it has no `off`, or why that changes nothing on some machines */
    enum { PROBE, BOMB, BOMB_VM } kind;   /* a bomb takes its time and is run by its name only; BOMB_VM needs a cgroup's controllers */
};

/* prober_table.c */
extern const struct probe probes[];
extern const unsigned nprobes;

/* prober.c */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *text_of(const char *path);   /* resolves "@KEY"; "" if there is no such key */
/* How it was started: the numbers of its descriptors, the last of the signals it ignores or "none". */
extern char open_at_start[256], ignored_at_start[32];

/* calls.c: system calls as they are */
long try_call(const struct probe *p);          /* number, arg */
long try_call_path(const struct probe *p);     /* the first argument is path, arg follows */
long try_clone(const struct probe *p);         /* flags */
long try_clone3(const struct probe *p);        /* flags */
long try_setns(const struct probe *p);         /* path */
long try_socket(const struct probe *p);
long try_socketpair(const struct probe *p);
long try_terminal(const struct probe *p);      /* ioctl arg[0] with a pointer to arg[1], on a terminal it controls */
long try_ioctl(const struct probe *p);         /* ioctl arg[0] with arg[1] on path */
long try_peek(const struct probe *p);          /* process_vm_readv of process arg[0], 0: itself */
long try_poke(const struct probe *p);
long try_ptrace(const struct probe *p);        /* seize process arg[0], or the one path names */
long try_getfd(const struct probe *p);
long try_uring(const struct probe *p);
long try_perf(const struct probe *p);
long try_bpf(const struct probe *p);
long try_handle(const struct probe *p);        /* name_to_handle_at path */
long try_adjtimex(const struct probe *p);
long try_int80(const struct probe *p);
long try_x32(const struct probe *p);
long try_kill(const struct probe *p);          /* signal arg[1] to arg[0], or to the process path names */

/* tree.c: files and mounts */
long try_open(const struct probe *p);          /* path with the flags arg[0] */
long try_read(const struct probe *p);          /* says "empty" or "data" */
long try_create(const struct probe *p);        /* path, and removes it */
long try_look(const struct probe *p);          /* stat */
long try_list(const struct probe *p);          /* says the names in path, sorted, but those made by the probes */
long try_folders(const struct probe *p);       /* the same of folders alone */
long try_device(const struct probe *p);        /* mknod path, mode arg[0], device arg[1]:arg[2], then opens it */
long try_mount(const struct probe *p);         /* a tmpfs on path; or with flags arg[0] */
long try_execute(const struct probe *p);       /* a copy of itself in the folder path */
long try_setuid_program(const struct probe *p);/* path: "worked" if it gained an id */
long try_link(const struct probe *p);
long try_rename(const struct probe *p);
long try_chroot(const struct probe *p);        /* into path and out again by a descriptor of / */
long try_inherited(const struct probe *p);     /* fchdir to descriptor arg[0] and open path below */
long try_memfd(const struct probe *p);         /* executes a copy of itself in memory */
long try_chmod(const struct probe *p);         /* set-user-id on a file of its own: says the mode it got */
long try_chown(const struct probe *p);

/* self.c: what it is */
long try_status(const struct probe *p);        /* says the field path of /proc/self/status */
long try_namespace(const struct probe *p);     /* says "own" or "shared" */
long try_map(const struct probe *p);
long try_descriptors(const struct probe *p);
long try_signals(const struct probe *p);
long try_umask(const struct probe *p);
long try_limit(const struct probe *p);         /* says "held" when resource arg[0] is at most arg[1], or path, else "more" */
long try_raise(const struct probe *p);         /* resource arg[0] */
long try_nice(const struct probe *p);
long try_scheduler(const struct probe *p);     /* policy arg[0] */
long try_mlock(const struct probe *p);         /* arg[0] bytes */
long try_capset(const struct probe *p);
long try_ambient(const struct probe *p);       /* capability arg[0] */
long try_prctl(const struct probe *p);         /* says what prctl returned if that is above zero */
long try_hostname(const struct probe *p);
long try_cgroup(const struct probe *p);
long try_boot_id(const struct probe *p);       /* says "own" or "shared" */
long try_environment(const struct probe *p);
long try_setresuid(const struct probe *p);
long try_setgroups(const struct probe *p);

/* talk.c: what others made */
long try_unix(const struct probe *p);          /* path; a first character @@ is the abstract name behind it */
long try_tcp(const struct probe *p);           /* path: a port of 127.0.0.1 */
long try_shm(const struct probe *p);           /* path: a key */
long try_sem(const struct probe *p);
long try_msg(const struct probe *p);
long try_mqueue(const struct probe *p);        /* path */
long try_own_mqueue(const struct probe *p);
long try_key(const struct probe *p);           /* path: a description, looked for in the session keyring */
long try_timer(const struct probe *p);         /* clock arg[0] */
int canary_main(void);                         /* makes all of them, prints KEY=VALUE lines, waits for SIGTERM and removes them */

/* bombs.c: each goes on to arg[0] at most; "worked" means that nothing stopped it there */
long bomb_forks(const struct probe *p);
long bomb_threads(const struct probe *p);
long bomb_descriptors(const struct probe *p);
long bomb_terminals(const struct probe *p);
long bomb_fill(const struct probe *p);         /* arg[0] bytes in the folder path */
long bomb_inodes(const struct probe *p);       /* arg[0] empty files in the folder path */
long bomb_fsync(const struct probe *p);        /* arg[0] ms */
long bomb_spin(const struct probe *p);         /* arg[0] ms on every processor */
long bomb_signals(const struct probe *p);
long bomb_timers(const struct probe *p);
long bomb_mqueues(const struct probe *p);
long bomb_pipes(const struct probe *p);
long bomb_memory(const struct probe *p);       /* arg[0] bytes */
long bomb_depth(const struct probe *p);
long bomb_links(const struct probe *p);
long bomb_sparse(const struct probe *p);       /* a file of arg[0] bytes */
long bomb_kill_all(const struct probe *p);

#endif
