/* Messages of the sandbox: the supervisor's plan for launch, the shim's links, init's.  sshd/PROTOCOL lists who may send what. */
#ifndef SANDBOX_PROTO_H
#define SANDBOX_PROTO_H

/* What a shim speaks with the supervisor.  One that runs may be older or newer than the daemon: both speak the lower of their numbers, if it is at
   least their SHIM_OLDEST.  t/lib builds shims of other numbers. */
#ifndef SHIM_SPEAKS
#define SHIM_SPEAKS 3
#define SHIM_SPEAKS_FROM 1
#endif
enum { SHIM_VERSION = SHIM_SPEAKS, SHIM_OLDEST = SHIM_SPEAKS_FROM };

/* What runs in a sandbox may ask of the kernel what etc/seccomp/{server,build,tool}.policy says. */
enum sandbox_profile { PROFILE_SERVER, PROFILE_BUILD, PROFILE_TOOL, PROFILE_COUNT };

/* supervisor -> launch.  One job a process; answered by LAUNCH_DONE, then launch ends (after RUN it has become the shim instead, and the
   link goes on as the supervisor's SHIM link). */
enum launch_type {
    /* A disk's fields (quota/backend.h): str server, str state folder (STATE/servers holds the files and the mount point NAME/), str run folder,
       str libexec folder, str backend ("auto", or its word), u64 bytes, u64 inodes, u32 uid of the files' owner, here (1000 above the first of
       its range: the mount maps the disk's 0 to 65535 to that), u32 project.
       Makes what is missing, mounts; harmless when mounted. */
    LAUNCH_DISK_UP = 0x0501,
    LAUNCH_DISK_DOWN,      /* a disk's fields: unmounts; harmless when not mounted */
    /* str server, u32 uid base, u32 shim uid, str command text ... see sandbox/launch/plan.c; fds: the server's root directory (mounted),
       the log folder, the shim's listening socket, the image's root directory or none, the cgroup folder or none, the filter or none (then u32 has
       image, has cgroup, has filter = 0) */
    LAUNCH_RUN,
    LAUNCH_DONE,           /* u32 ok, u32 errno, str step, str text; RUN and ERRAND add u32 pid of init (host's view),
                              DISK_UP and DISK_RESIZE u64 bytes, u64 inodes: the limits in force; u64 bytes, u64 inodes: used; str backend,
                              u32 kind of count (enum disk_count), str its path, [fd: with DISK_COUNT_TOLD a link to holdfast-quotafs]; DISK_MIGRATE str backend it was on, u64 bytes, u64 inodes:
                              moved, u64 free bytes of the machine's disk, u64 left out, str note; DISK_FIT u32 fits, str text: each that was
                              tried, and why it does not fit */
    /* An errand: a program that runs once, in a sandbox of its own beside the server's, on the same files.  Fields as of RUN, then u32 may write
       (else its files are mounted read-only), u32 seconds it may run (its shim ends it then, whatever became of the daemon).  Its stdio is given;
       nothing is logged, watched or adopted, and it ends with the link.  The files lie at /home/SERVER.  fds: root directory of the files, stdin,
       stdout, stderr, [cgroup folder], [filter] */
    LAUNCH_ERRAND,
    LAUNCH_DISK_RESIZE,    /* a disk's fields: its limits become these; it is mounted */
    /* a disk's fields, str backend the files are to be on, u32 only look.  It is not mounted.  Ends, everything undone, with the link. */
    LAUNCH_DISK_MIGRATE,
    LAUNCH_DISK_FIT,       /* a disk's fields: whether its backend can be used; changes nothing */
    LAUNCH_PROGRESS,       /* of DISK_MIGRATE, now and then: str what is done, u64 bytes, u64 inodes */
    /* An errand that is a shell: fields of ERRAND, but that it may have a terminal (which DONE brings the master of, and none of the three
       descriptors come; u32 columns, u32 rows stand last) and an image, and stands on the server's own profile, with its files at /home/server.  A command of one word "" is the
       shell there is: /bin/bash, or else /bin/sh. */
    LAUNCH_SHELL = 0x050a,
    LAUNCH_TERMINAL,       /* str server, u32 uid base, u32 columns, u32 rows; fd: pidfd of its init.  A new terminal in the sandbox of a server that runs -> DONE, fds: master, slave */
};

/* launch -> copy, one job a process: a walk over a server's files (quota/copy). */
enum copy_mode { COPY_COUNT, COPY_MAKE, COPY_COMPARE };
enum copy_type {
    COPIER_START = 0x05a0,   /* str server, u32 mode; fds: root of the files, and but for COUNT that of the others */
    COPIER_PROGRESS,         /* from copy: u64 bytes, u64 inodes */
    COPIER_DONE,             /* from copy: u32 ok, u32 errno, str step, str text, u64 bytes, u64 inodes, u64 left out */
};

/* Inside a sandbox that has one: where the server tells of itself, as NOTIFY_SOCKET in its environment says. */
#define NOTIFY_SOCKET "/run/holdfast-notify"

/* LAUNCH_RUN, field by field:
     str server, u32 uid base (65536 from here), u32 shim uid, u32 log level
     u32 argc, str each; str directory inside; u32 nenv, str each ("NAME=VALUE")
     u32 tty, u64 tmp bytes, u64 memory bytes, u32 nofile, u32 pids
     u32 profile (enum sandbox_profile), u32 has filter: the profile's own is built in; another comes as a sealed memfd of struct sock_filter
     u32 network (0 private, 1 none), u32 host address, u32 inside address (both IPv4 in host order, /30), str host6, str inside6 (IPv6, /126;
     "": none), str interface name on the host
     u32 nports, per port: u32 port, u32 udp
     u32 ndns, str each
     u32 has image (an errand never has)
     str init program's path on the host, str shim program's path on the host
     u32 ready kind, u32 ready number, str ready text   (enum conf_how_kind)
     u32 has a notify socket, u64 watchdog ms (0: none)
     u32 has cgroup
   fds: root directory of the files, log folder, listening socket, [the image's root directory], [cgroup folder], [filter] */

/* After RUN, launch drops to the shim's uid (no capabilities, no_new_privs) and executes the shim, whose child is init.  The shim's descriptors
   (unlisted ones are closed):
     0, 1 /dev/null   2 the log   3 the supervisor's link   4 init's link   5 the server's stdin (or the terminal's master)
     6 its stdout (or /dev/null with a terminal)   7 its stderr (the same)   8 the listening socket   9 the log folder
     10 its cgroup.kill, open for writing (or /dev/null: then INIT_KILL it)   11 init's pidfd   12 the notify socket (or /dev/null)
   and its arguments: server, log level, tty (0/1), ready kind, ready number, ready text, inside address (dotted, or ""), init's pid,
   start time (wall ms), watchdog ms.
   Of an errand: 5 to 9 and 12 are /dev/null, and its arguments are server, log level, init's pid, seconds it may run.  It lives no longer than the supervisor's link. */

/* supervisor <-> policy: a profile with an admin's changes.  One job a process. */
enum policy_want { POLICY_FILTER, POLICY_TABLE, POLICY_JSON };
enum policy_type {
    POLICY_MAKE = 0x0580,     /* u32 profile, u32 want, u32 log level, u32 n, str each: "+CALL" or "-CALL" */
    POLICY_MADE,              /* u32 ok, str error; fd when ok: a sealed memfd, struct sock_filter each or text */
};

/* Links to a shim.  The listener /RUN/shims/NAME.sock is root's alone; who connects says first what the link is for; a viewer's link is made by the
   supervisor and handed to the session.  The link that a server was launched with speaks SHIM_VERSION; another what STATE says; an errand's 1.  Fields
   marked 2 belong to version 2 and are left out in 1.  A viewer's is what its VIEWER says. */
enum shim_type {
    SHIM_SUPERVISOR = 0x0520, /* u32 version, the highest one spoken -> SHIM_STATE; the last one wins, the earlier is closed */
    SHIM_VIEWER,              /* u32 version, u32 may write, u64 history bytes, str account: output follows, history first */

    /* shim -> supervisor */
    /* u32 version spoken from here on, u32 init pid, u64 started (wall ms), u32 ready, u32 stopping, u32 ended, u32 code, u32 signal,
       u32 killed by us (enum shim_killed); 2: str by whom stopped or killed, str status text, u32 says that it is stopping.
       A shim that does not speak what was offered says its own version, and closes.  Version and pid stand first in all versions */
    SHIM_STATE,
    SHIM_READY,               /* - */
    SHIM_ENDED,               /* u32 exit code, u32 signal, u32 killed by us (enum shim_killed), 2: str by whom; kept and repeated in STATE until
                                 SHIM_COLLECTED */

    /* supervisor -> shim */
    SHIM_STOP,                /* u32 kind (HOW_LINE, HOW_SIGNAL), u32 signal, str line, u64 ms until it is killed, 2: str by whom */
    SHIM_KILL,                /* 2: str by whom; at once, everything */
    SHIM_COLLECTED,           /* - : the end is known, go */

    /* shim -> viewer */
    SHIM_OUTPUT,              /* bytes */
    SHIM_NOTICE,              /* str: a line for the person, not of the server */
    SHIM_BYE,                 /* u32 exit code, u32 signal: the server has ended */
    /* viewer -> shim */
    SHIM_INPUT,               /* bytes: refused with a NOTICE when it may not write */
    SHIM_RESIZE,              /* u32 columns, u32 rows; for tty = yes */

    /* of version 2 */
    SHIM_STATUS,              /* shim -> supervisor: str status text (SHIM_STATUS_MOST bytes at most, printable ASCII), u32 says that it is stopping;
                                 what the server sent to its notify socket, once a second at most */
    SHIM_WATCH,               /* supervisor -> shim: u32 is the watchdog to count?  Not while the server is frozen */

    /* of version 3 */
    /* shim -> viewer that may write: u64 bytes of its INPUT, in their order, u32 enum shim_taken: what became of them.  One of 0 bytes comes first, at once;
       those of a terminal's input come a moment late */
    SHIM_TAKEN = 0x0531,
};
/* Of version 3: a shell in the sandbox of a server that runs, on a link of its own, whose end is the shell's. */
enum shim_shell_type {
    /* supervisor -> shim, first on its link: u32 version, fields as of INIT_START; fds: cgroup.kill of its group, then its terminal, or its stdin,
       stdout and stderr.  The shim passes it to init, unread.  It ends in SHIM_ENDED, its third field 1 when the server has ended, and it with
       it */
    SHIM_SHELL = 0x052f,
    SHIM_SHELL_MADE,          /* shim -> supervisor: u32 ok, u32 errno, str step; fd when ok: a pidfd of what will be it, which waits */
    SHIM_SHELL_GO = 0x0532,   /* supervisor -> shim: - ; it has been put into its group, and may run */
};
enum { SHIM_SHELLS_MOST = 4, SHIM_STEP_MOST = 64 };
enum { SHIM_STATUS_MOST = 160, SHIM_BY_MOST = 80 };

/* Who ended what a shim holds: nobody of us, an order, the time it was given (an errand), the time it had to stop, or the lack of a sign of life.
   Version 1 has the first three. */
enum shim_killed { KILLED_NOT, KILLED_BY_ORDER, KILLED_BY_TIME, KILLED_BY_STOP, KILLED_BY_WATCHDOG };

/* Went to the server; the same, where its terminal did not echo when it was typed or a moment later, or that is not sure: none of it may be
   recorded; did not go to it. */
enum shim_taken { TAKEN_SHOWN, TAKEN_HIDDEN, TAKEN_REFUSED };

/* supervisor <-> filter.  Addresses and networks are text; a family is u32 routed, u32 routed only because we switched it on. */
enum filter_type {
    /* supervisor -> filter; each answered by FILTER_DONE, but for the SETs that belong to a START */
    FILTER_START = 0x0560,    /* u32 log level, str table, str pool, str pool6 or "", u32 n resolvers, str each, u32 n publish, str each,
                                 u32 n TCP ports we listen on, u32 each, IPv4's family, IPv6's family, u32 servers: so many SETs follow, and all
                                 becomes one change of whatever table is there.  First; again when settings changed */
    FILTER_SET,               /* str server, str interface, str inside address, str inside6 or "", u32 n ports, per port: u32 port, u32 udp,
                                 u32 n links, str interface each, u32 n egress, per rule: u32 allow, str network, u32 first port, u32 last port
                                 (0, 0: all), u32 protocol (0: all), u64 bytes a second up, u64 down (0: no limit).  All of one server */
    FILTER_DROP,              /* str server, which has ended: none of its rules is left, nor soon its interface; harmless when there is none */
    FILTER_END,               /* - : the table is deleted, and interfaces of servers that were not dropped */

    /* filter -> supervisor */
    FILTER_DONE,              /* u32 ok, u32 errno, str step, str text */
    FILTER_MENDED,            /* unasked: somebody changed our table.  u32 ok, u32 errno, str step, str text: of laying it anew; str by whom */
};

/* shim <-> init, over init's descriptor 3 */
enum init_type {
    INIT_START = 0x0540,      /* launch -> init, first: u32 argc, str each, str directory, u32 nenv, str each, u32 enum init_how */
    INIT_STARTED,             /* init -> shim: u32 ok, u32 errno, str step */
    INIT_SIGNAL,              /* u32 signal: to the main process */
    INIT_KILL,                /* - : kill all processes of the sandbox; end of the link means the same */
    INIT_ENDED,               /* u32 exit code, u32 signal: the main process has ended; init follows, and with it all the rest */
    /* Shells beside the main process, by the id of the message. */
    INIT_SHELL,               /* shim -> init: fields and descriptors as of SHIM_SHELL, without version and cgroup.kill */
    INIT_SHELL_MADE,          /* init -> shim: as SHIM_SHELL_MADE */
    INIT_SHELL_GO,            /* shim -> init: u32 may it run?  Else it ends */
    INIT_SHELL_ENDED,         /* init -> shim: u32 exit code, u32 signal */
};
/* TTY: the program's stdin is a terminal, which becomes its own.  TELLS: why it cannot be executed is written to its stderr. */
enum init_how { INIT_TTY = 1, INIT_TELLS = 2 };

#endif
