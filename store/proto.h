/* Messages of the store.  It is the decider: it knows from the supervisor which session sits behind which link, it alone tells the supervisor who
   logged in, and it alone passes on orders.  sshd/PROTOCOL lists who may send what, when. */
#ifndef STORE_PROTO_H
#define STORE_PROTO_H

/* The database schema of this build, for START_STORE; the newest file of store/schema has this number.  KEYS_FILE_MOST: bytes of an account's
   file of own keys, as OP_KEYS_SET takes it. */
enum { STORE_SCHEMA = 8, LOGIN_MOST = 512, KEYS_FILE_MOST = 32 * 1024 };

/* supervisor -> store */
enum store_super_type {
    START_STORE = 0x0401,      /* str folder, u32 log level, u32 schema of this build, u32 is the secret key a new one, not saved yet; fds: a
                                  sealed memfd with that key (32 bytes), and one with the key of a rotation that did not end, if there is one;
                                  answered by STORE_READY */
    STORE_READY = 0x0402,      /* store -> supervisor: str error ("" if it is), u32 store_sealed (FIRST: a new key is to be saved now) */
    /* The whole configuration: BEGIN, any number of the two, END; applied as a whole (one transaction), answered by CONF_DONE. */
    STORE_CONF_BEGIN = 0x0403, /* u32 days and u32 records that are kept of who did what, u32 servers that there may be over time,
                                  u32 n, per rate (base/rate.h): u32 verb, u32 burst, u64 ms,
                                  u32 n, str key line of a CA each, u32 n, str line of the revocation list each */
    STORE_CONF_ACCOUNT,        /* str name, u32 may use password, u32 suspended, u32 max connections, u32 rights
                                  ceiling (at most these, on every server), u32 may have own keys, u32 second factor (must it have
                                  one?), u32 nkeys, str key line each */
    STORE_CONF_SERVER,         /* str name, str owner, u32 nallow, per allow: str account, u32 rights */
    STORE_CONF_END,            /* - */
    STORE_CONF_DONE,           /* store -> supervisor: str error, str summary, u32 nservers, per server: str name, u32 number
                                  (its place in the uid range and the address pool, from 0, kept for ever) */
    /* u64 session id, str peer address, u32 peer port, str account, bytes login; fd: the store's end of the session's link.  Account and login
       are "" but after a death of the store, when each session that is logged in is handed to the new one. */
    STORE_SESSION_NEW,
    STORE_SESSION_GONE,        /* u64 session id, u32 crashed */
    STORE_SESSIONS,            /* u32 cookie: who is there? */
    STORE_SESSIONS_ANSWER,     /* u32 cookie, u32 n, per session: u64 id, str account, str address, i.e. since as u64 wall ms */
    STORE_PASSWD,              /* u32 cookie, str account, bytes password -> STORE_PASSWD_DONE */
    STORE_PASSWD_DONE,         /* u32 cookie, str error */
    STORE_RESULT,              /* message id = the order's; see ORDER below */
    /* Sources, which the supervisor has in memory.  A row: bytes address (4: one of IPv4; 8: the first half of IPv6), u64 when it was written (wall ms),
       u64 ms of penalties left then, u32 are they in force, u64 ms it was refused for too many tries still, u64 ms its tries are remembered still,
       u32 keys and u32 passwords tried, u32 why it is refused (a number of the supervisor's), u64 since when (wall ms), u32 connections turned away. */
    STORE_SOURCES_LOAD = 0x0410, /* bytes address: those behind it, "" from the start -> STORE_SOURCES_PAGE */
    STORE_SOURCES_PAGE,        /* store -> supervisor: u32 n (at most SOURCES_ROWS; 0: that was all), n rows */
    STORE_SOURCES_SAVE,        /* u32 n, n rows: one transaction; of which nothing is left goes -> STORE_SOURCES_SAVED */
    STORE_SOURCES_SAVED,       /* store -> supervisor: u32 is it written? */
    STORE_ROTATE = 0x0418,     /* u32 also where something does not open; fd: a sealed memfd with the new secret key.  Seals everything with it */
    STORE_ROTATED,             /* store -> supervisor: str error, u32 store_sealed (SECOND: with the new key; UNKNOWN: only the next start can
                                  tell), u64 texts sealed anew, u64 texts that did not open and were left */
    STORE_EVENT = 0x0460,      /* u64 wall ms, str what, str server or "", str account or "", str text: to be kept and told to who may see it */
    STORE_SHELL_END = 0x0462,  /* str account, str address, str server, u64 exit code: a shell has ended, recorded as ACTIVITY_SHELL_END */
    STORE_TOTP_RESET = 0x0428, /* u32 cookie, str account: its second factor goes -> STORE_PASSWD_DONE */
};

/* supervisor <-> store: what is wanted of servers, for the next daemon, which may be of another boot.  A row: str server, u32 enum server_wish, str why the
   admin has locked it ("": not; at most WISH_LOCK_MOST bytes), u32 has it ended yet, u32 exit code, u32 signal of the last end, u64 since when it is as it is
   (wall ms), str why (at most WISH_REASON_MOST bytes). */
enum store_wish_type {
    STORE_WISH_LOAD = 0x0430,  /* str server: those behind it, "" from the start -> STORE_WISH_PAGE */
    STORE_WISH_PAGE,           /* store -> supervisor: u32 n (at most WISH_ROWS; 0: that was all), n rows */
    STORE_WISH_SAVE,           /* one row -> STORE_WISH_SAVED.  What is sent behind it is read behind it: an order's result is told when its wish is written */
    STORE_WISH_SAVED,          /* store -> supervisor: str server, u32 is it written? */
};
enum { WISH_ROWS = 100, WISH_LOCK_MOST = 120, WISH_REASON_MOST = 255 };
/* NONE: nobody has started or stopped it.  UP: it is to run.  DOWN: it was stopped or killed.  ENDED, FAILED: it ended by itself, well or not, and is not
   to be started again by itself. */
enum server_wish { WISH_NONE, WISH_UP, WISH_DOWN, WISH_ENDED, WISH_FAILED, WISH_COUNT };

/* Which of the secret keys that the supervisor gave the database is sealed with. */
enum store_sealed { SEALED_UNKNOWN, SEALED_FIRST, SEALED_SECOND };

/* supervisor -> the store's aid, which looks at the database beside the running store: one of the two, once. */
enum store_aid_type {
    START_CHECK = 0x041a,      /* str folder; fd: the secret key */
    CHECK_FOUND,               /* aid -> supervisor, any number: str part, str what is wrong */
    CHECK_DONE,                /* aid -> supervisor, last: str error ("" if it could look at all), u64 pages, u64 sealed texts, u32 schema */
    START_COPY,                /* str folder; fd: an empty file, writable, for the copy */
    COPY_DONE,                 /* aid -> supervisor, last: str error, u64 bytes, u32 schema */
};

/* store -> supervisor */
enum store_generation_type {
    STORE_GENERATION = 0x0420, /* u64 session id, u64 generation: its account changed, and it was judged anew and may stay */
};
enum { SOURCES_ROWS = 400 };

/* store -> supervisor */
enum store_order_type {
    STORE_LOGGED_IN = 0x0440,  /* u64 session id, str account, bytes login (the store's own words on how, at most LOGIN_MOST, kept by the
                                  supervisor for STORE_SESSION_NEW), u32 rights at most, str servers at most ("a,b"; "": all), u64 generation of the
                                  account; answered by STORE_LOGIN_ANSWER, as the supervisor counts connections */
    STORE_LOGIN_ANSWER,        /* supervisor -> store: u64 session id, u32 accepted, str why not */
    STORE_AUTH_FAILED,         /* u64 session id, u32 auth_failure */
    STORE_KICK,                /* u64 session id, str why: end this session (its account was suspended ...) */
    STORE_ORDER,               /* id; u64 session id, str account, u32 op, str server, u64 number, str text, u64 generation of the
                                  account by which the session was judged */
    STORE_LOGIN_CHANGED = 0x0429, /* u64 session id, bytes login: to be kept instead of LOGGED_IN's */
    STORE_PARTIAL,             /* u64 session id: key or password were right, a code is typed now */
};

/* UNKNOWN_KEY is an offer that does not fit and no try to get in: counted, not punished.  REFUSED_KEY is one that fits, used from where or when it
   may not be: a try, neither counted nor punished. */
enum auth_failure { AUTH_BAD_KEY, AUTH_BAD_PASSWORD, AUTH_UNKNOWN_ACCOUNT, AUTH_UNKNOWN_KEY, AUTH_REFUSED_KEY, AUTH_FAILURES };

/* Of the key of a login, by its options.  VERIFY_REQUIRED: the token must have asked for more than a touch; NO_TOUCH: it need not have asked for
   one; LIMITED: by rights, servers or a command, and so none to give keys with. */
enum key_flag { KEY_NO_PTY = 1, KEY_VERIFY_REQUIRED = 2, KEY_NO_TOUCH = 4, KEY_LIMITED = 8 };

/* Of an answer.  CODE: right so far, a code is wanted.  NO_TRY, to an offer that will not do: the key is somebody's here, which is no try. */
enum store_verdict { VERDICT_NO, VERDICT_YES, VERDICT_CODE, VERDICT_NO_TRY };

/* What the signature of a hardware key says of who used it: touched it, was verified by it (a PIN, a finger). */
enum proof { PROOF_TOUCH = 1, PROOF_VERIFIED = 2 };

/* session -> store.  Answers carry the request's id. */
enum store_session_type {
    STORE_KEY_OFFER = 0x0480,  /* str account, bytes key or certificate blob, str key type, u32 proof -> STORE_ANSWER: u32 store_verdict, str "" */
    STORE_KEY_LOGIN,           /* the same, after the signature was verified, with what it proves -> STORE_ANSWER: u32 store_verdict, str why not */
    STORE_PASSWORD_LOGIN,      /* str account, bytes password -> STORE_ANSWER: u32 store_verdict, str why not */
    STORE_ANSWER,
    STORE_WHOAMI,              /* -> STORE_WHOAMI_ANSWER */
    STORE_WHOAMI_ANSWER,       /* str account, str method ("publickey" "password"), str key fingerprint or "", str peer address,
                                  str options of the key or certificate as authorized_keys has them, u32 its flags (key_flag), str its forced
                                  command ("": none),
                                  u32 second_factor, u32 n, per server: str name, u32 rights, str owner (sorted by name) */
    STORE_DO,                  /* u32 op, str server, u64 number, str text -> STORE_RESULT */
    /* u32 exit code (PRODUCT 3), str text for stderr ("" if none), then the fields of the op; fds of the op. */
    STORE_DO_RESULT,
    STORE_LOG,                 /* u32 level, str event, str text: the session has no log of its own; the store escapes both */
    STORE_CLOSE,               /* store -> session, no id: str why: end at once */
    STORE_RIGHTS,              /* store -> session, no id: str server, u32 rights now (0: no longer yours): close what relied on more */
    STORE_ANEW,                /* store -> session, no id: this is another store than before; what was asked of that one is lost */
    /* What was done with files, sent before the client is told that it was; not answered.  u32 n (1 to ACTIVITY_MOST), per event: u32 action
       (up to ACTIVITY_LOST, or INPUT), str server, bytes path, bytes other path, u64 number, u32 flags.  Who and from where the store knows. */
    STORE_ACTIVITY,
    /* What its channels are about, all of it each time; not answered.  u32 n (at most DOING_MOST), per channel: str what (at most DOING_WORD bytes, letters,
       digits and blanks), str server or "" */
    STORE_DOING = 0x0470,
    STORE_CODE_LOGIN = 0x04a0, /* str account, bytes code, after VERDICT_CODE -> STORE_ANSWER: u32 store_verdict, str why not, or, with a yes, what
                                  the client is to be told */
};

enum { DOING_MOST = 16, DOING_WORD = 24 };

/* Of a session: none was asked for; it came in with a code; it must set one up and may do nothing else (it sees no servers). */
enum second_factor { SECOND_NONE, SECOND_CODE, SECOND_ENROL };

/* What is recorded, and what the fields hold.  Paths are byte strings, in the server's directory, of at most ACTIVITY_PATH bytes. */
enum { ACTIVITY_MOST = 256, ACTIVITY_PATH = 4096 };
enum activity_action {
    ACTIVITY_NONE,
    ACTIVITY_WRITE,         /* path; number: bytes; CREATED or EMPTIED, UNFINISHED.  A file that was open for writing, once, at its close */
    ACTIVITY_RENAME,        /* path, other: the new one */
    ACTIVITY_REMOVE,        /* path */
    ACTIVITY_RMDIR,         /* path */
    ACTIVITY_MKDIR,         /* path */
    ACTIVITY_CHMOD,         /* path; number: mode */
    ACTIVITY_TRUNCATE,      /* path; number: size */
    ACTIVITY_LINK,          /* path, other: the file it is a name of */
    ACTIVITY_SYMLINK,       /* path, other: what it says */
    ACTIVITY_LOST,          /* number: events that were dropped */
    /* The store's own, of orders that were carried out. */
    ACTIVITY_START,
    ACTIVITY_STOP,
    ACTIVITY_RESTART,
    ACTIVITY_KILL,
    ACTIVITY_CONSOLE,       /* WATCHED: could not type */
    ACTIVITY_BACKUP_CREATE, /* path: id */
    ACTIVITY_BACKUP_GET,    /* path: id */
    ACTIVITY_RSYNC,         /* WATCHED: only read.  What it did with which file is its own affair */
    /* The session's again. */
    ACTIVITY_INPUT,         /* path: a line typed into the console, "(hidden)" with HIDDEN; UNFINISHED: cut, or not ended.  MORE: no path, number: lines that
                               are not recorded each */
    ACTIVITY_SHELL,         /* opened; what is typed there is not recorded */
    ACTIVITY_SHELL_END,     /* number: its exit code, 128 and the signal */
    ACTIVITY_COUNT
};
enum activity_flag { ACTIVITY_CREATED = 1, ACTIVITY_EMPTIED = 2, ACTIVITY_UNFINISHED = 4, ACTIVITY_WATCHED = 8, ACTIVITY_FLAGS = 15,
    ACTIVITY_HIDDEN = 16, ACTIVITY_MORE = 32, ACTIVITY_INPUT_FLAGS = 52 };   /* the last two of INPUT alone, with UNFINISHED */

/* Operations of STORE_DO (session -> store) and STORE_ORDER (store -> supervisor).  The store checks the right, the supervisor checks again that
   session and server exist and the account has the right in *its* configuration.  Fields behind the text are relayed as they are.

      op             needs            number             text         fields of the result */
enum op {
    OP_STATUS = 1, /* status          skip                            see STATUS_FIELDS; server "": all the account may see, behind the
                                                                      first `skip`, as many as fit; ask again with what one has */
    OP_START,      /* start           wait ms (0: no)                 the server's fields, at the end of the wait */
    OP_STOP,       /* stop            wait ms                         the same */
    OP_RESTART,    /* start and stop  wait ms                         the same */
    OP_KILL,       /* kill            wait ms                         the same */
    OP_FILES,      /* files.read ...  of which (0: all)               fd: a link to a files worker of this server that may do these, as far
                                                                      as the account may */
    OP_CONSOLE,    /* console         history bytes   "rw" or "ro"    fd: a link to the shim, opened as a viewer (sandbox/proto.h); "ro" needs
                                                                      console or logs, "rw" console and send */
    OP_LOGS,       /* logs                                            u32 n, fds: console.log, then older ones (at most 4), readable */
    OP_QUOTA,      /* status                                          u64 used, limit, inodes used, inodes limit, str backend; server
                                                                      "" is not allowed here: the session asks for each */
    OP_BACKUP_CREATE, /* backup.create                 label          str id, u64 size   (the store picks the id, text = "ID LABEL" in
                                                                      the order) */
    OP_BACKUP_LIST,   /* backup.read   skip            answered by the store alone, newest first, at most 200 behind the first `skip`; ask
                                                                      again with what one has until n is 0.  server "": all
                                                                      u32 n, per backup: str id, server, state, u64 created (wall ms),
                                                                      u64 size, str label, u32 locked */
    OP_BACKUP_GET,    /* backup.read                   id             u64 size; fd: the archive, at 0 */
    /* Of the account itself: server "", answered by the store alone. */
    OP_KEYS_GET,      /* -                                            u32 may it change them (keys_change), u64 last addition (wall ms; 0:
                                                                      none), str its own keys as a file, those of the ini files as
                                                                      comments in front */
    OP_KEYS_SET,      /* -                             the file       -; replaces them as a whole, or is refused with what is wrong */
    OP_RSYNC,      /* files.read       1: writes                      fds: rsync's stdin, stdout, stderr, the link of the errand
                      (and .write,                                    (ERRAND_ENDED in sshd/proto.h).  Its arguments follow on stdin;
                      .delete: 1)                                     without 1 the files are mounted read-only */
    OP_ACTIVITY,      /* activity     records wanted   "last"         answered by the store alone: u64 id, behind which the newest so many are;
                                                                      server "": all */
                      /*              id               ""             u32 n, the oldest behind that id, as many as fit, per record: u64 id,
                                                                      u64 wall ms, str account, str address, str server, u32 action, bytes
                                                                      path, bytes other path, u64 number, u32 flags, u32 times; ask again
                                                                      with the last id until n is 0 */
    /* Of the account itself again: server "", answered by the store alone. */
    OP_KEYS_LIST = 17, /* -           skip                            u32 n, those of the ini files first, per key: str fingerprint, str type,
                                                                      str label, u64 added, u64 last used (wall ms; 0: never), str from
                                                                      where then, u32 flags (keys_flag), str options; ask again with what
                                                                      one has until n is 0.  The first is key number 1 */
    OP_KEYS_ADD = 18,  /* -                           lines           u32 n, per key: str fingerprint, str type; all of the lines or none */
    OP_KEYS_RM = 19,   /* -           1: force        which           str fingerprint; which: a number, a fingerprint or a label */
    /* The text of these is a secret: it travels as bytes, and both sides wipe it.  A code may be a recovery code but for VERIFY. */
    OP_PASSWD = 20,    /* -               bytes of the old  old, new     - */
    OP_TOTP_ENROLL = 21, /* -                            code, or ""   str otpauth URI, str secret (base32), and the URI's QR code: u32 modules a
                                                                      side (0: none), bytes of as many squared, 1: dark; a code where there is
                                                                      a seed already */
    OP_TOTP_VERIFY = 22, /* -                              code         u32 n, str recovery code each */
    OP_TOTP_CODES = 23,  /* -                              code         the same */
    OP_TOTP_REMOVE = 24, /* -                              code         - */
    OP_LIMITS = 25, /* -                            ""           server "": u32 connections of the account, u32 of them at most, u32 channels of one,
                                                                      u32 handles of a channel, u32 of the account, u32 of everybody; of the
                                                                      source of this connection: str address, u32 is it exempt, u64 ms it is
                                                                      refused, u64 ms of penalties accrued, u32 keys tried, u32 of at most,
                                                                      u32 passwords, u32 of at most; by the store: u32 n, per verb with a
                                                                      rate: str verb, u32 is it of bytes, u64 at once (0: any number), u64 ms
                                                                      until that is there again, u64 left, u64 ms until all is there */
                       /*            bytes          verb         answered by the store alone: takes so many of the verb's rate; 75: they are
                                                                      not there.  "sum", "check-file" */
    OP_SESSIONS = 26, /* console      skip                        answered by the store alone: u32 n, per session behind the first `skip`, as many as
                                                                      fit: u64 id, str address, u32 port, u64 since (wall ms), str
                                                                      method, str key fingerprint, u32 is it this one, str account, str what it does
                                                                      ("console one, sftp").  Server "": those of the account; else all that do
                                                                      something with the server, of other accounts without method and key, and
                                                                      address and port only with the right activity */
    OP_EVENTS = 27, /* status         events wanted   "last"     answered by the store alone: u64 id, behind which the newest so many are;
                                                                      server "": of all servers, and of the account itself */
                      /*              id               "", "wait"      u64 the last id that was looked at, to go on with, u32 is that all there
                                                                      is now, u32 n, per event: u64 id, u64 wall ms, str what (a word of
                                                                      sshd/supervisor/news.h), str server, str account, str text; with
                                                                      "wait" the answer comes when there is something, or after 20 s */
    OP_PROMPT = 28, /* -             columns << 16 | rows  TERM       server "": fds: a link to a line editor's process (PROMPT_* in
                                                                      sshd/proto.h), the terminal that it sits on (a pty's master).  TERM:
                                                                      TERM_MOST of a-z A-Z 0-9 . _ + -, or "" */
    OP_SHELL = 29,  /* shell          0, or of its   TERM, words     fds: with a terminal its master, else stdin, stdout, stderr; and the link
                                      terminal columns                of the errand (ERRAND_ENDED).  TERM and each word of the command are
                                      << 16 | rows                    followed by a byte SHELL_MARK; no word: an interactive shell */
    OP_COUNT
};
/* SHELL_WORDS: bytes of OP_SHELL's text; TERM_MOST (sshd/proto.h): of its first word, of letters, digits and ".+_-". */
enum { SHELL_MARK = 0x1f, SHELL_WORDS = 32 * 1024 };

/* May an account change its keys: no; yes; not in a session that a limited key opened. */
enum keys_change { KEYS_FIXED, KEYS_OWN, KEYS_NOT_BY_THIS };
/* OWN: set by the account; FORGOTTEN: the label cannot be read, as the secret key is not here. */
enum keys_flag { KEYS_LIST_OWN = 1, KEYS_LIST_IN_USE = 2, KEYS_LIST_FORGOTTEN = 4 };

/* STATUS_FIELDS, u32 number of servers first, then per server: str server, str state, u64 since (wall ms), u32 pid (0), u32 ready, u32 has
   exit, u32 exit code, u32 signal, str reason (why it is as it is, one sentence), str status
   (its own words, by STATUS= of sd_notify(3)), u32 restarts, u64 cpu ms, u64 memory, u64 memory peak, u32 pids, u64 disk used, u64 disk
   limit, u32 percent of the disk's bytes or inodes, str address ("" if none), str address6 (the same), str limits ("enforced" or "missing"), str quota (the backend of its files as in the ini files, "" if not known yet),
   str quota note ("" or what is not as configured), u32 nports, per port: u32 port, u32 udp,
   u64 bytes read from and written to its disk, u64 received and sent on its network, all since it was started. */

/* supervisor -> archive: one of the STARTs, then ARCHIVE_DONE comes back. */
enum archive_type {
    START_ARCHIVE = 0x04c0,    /* str server, u32 log level; fds: the tree (a directory), the archive (write-only, empty) */
    ARCHIVE_DONE = 0x04c1,     /* u32 ok, str error or what was left out, u64 bytes written, u64 entries */
    START_UNPACK,              /* str image, u32 log level, u64 bytes and u64 files at most; fds: the tree (an empty directory of its own), the
                                  archive (readable, never seeked in).  The other way round: from the archive into the tree */
    UNPACK_PROGRESS,           /* archive -> supervisor, now and then: u64 bytes, u64 entries so far */
    START_EMPTY,               /* str image, u32 log level; fd: a tree, of which everything beneath is removed */
};

#endif
