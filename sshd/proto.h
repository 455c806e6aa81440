/* Messages of sshd: what the supervisor tells each role at its start, what the tool asks, what a session asks its files worker.
   Fields stand in the order of the wire; sshd/PROTOCOL has the whole list with who may send what, when.

   START: the first message on every role's descriptor 3, from the supervisor. */
#ifndef SSHD_PROTO_H
#define SSHD_PROTO_H

enum { PROTO_VERSION = 1 };

enum start_type {
    /* session: u64 session id, str peer address, u32 peer port, u32 channels, u32 auth_tries, u32 password_tries, u32 handles,
       u32 keepalive seconds, u32 keepalive misses, u32 log level; fds: the client's socket, a sealed memfd with the host keys
       (OpenSSH PEM blocks, one behind the other).  The rest of the link is the store's (store/proto.h). */
    START_SESSION = 0x0101,
    /* session program, making a host key: str type ("ed25519" or "rsa"); answered by KEYGEN_DONE on the same socket, then exit. */
    START_KEYGEN = 0x0102,
    KEYGEN_DONE = 0x0103,          /* bytes private key (OpenSSH PEM), str public key line */
    /* files: str server, u32 rights (base/rights.h), u32 gate slot, u32 handles, u64 session id, u32 log level, u32 slot in the
       account's handles, u32 handles of the account, u32 handles of the machine (both for words), u32 number of patterns, str each (`deny`), str account (for the log),
       u32 how use is counted (quota/kind.h); fds: the server's root directory, the gate's memfd, that of the account's handles, with DISK_COUNT_FILE that file.  The rest of the link is the session's (FILES_*
       below); the supervisor keeps the worker's end as well, to say FILES_ENDED there. */
    START_FILES = 0x0104,
    /* sink: u32 log level, u64 ms it may run, u32 n, str each: the program and its arguments; str time, str what, str server or "", str account or "",
       str text: for its environment; str line: the event as JSON, for its stdin.  Nothing is answered. */
    START_SINK = 0x0105,
    /* prompt: u64 session id, u32 log level, str account (for the log), str TERM, u32 columns, u32 rows; fd: the slave of a pty.  The rest of the
       link is the session's (PROMPT_* below). */
    START_PROMPT = 0x0106,
    /* store: see store/proto.h.  launch: see sandbox/proto.h.  archive: see store/proto.h. */
};

/* session -> files; every request but CLOSE and GIVE has an id (that of MANY is its last one's), its answer is FILES_ANSWER with the same id.  `status` is an SSH_FX_* code, `text` words
   for the client.  `attrs` is one bytes field as in sshd/attrs.h.  Paths are relative to the server's root, byte strings without NUL, "" and "." the root itself. */
enum files_type {
    FILES_ANSWER = 0x0200,         /* u32 status, str text, then what each request says below (only when status is 0) */
    FILES_OPEN = 0x0201,           /* bytes path, u32 SSH_FXF_* flags, attrs -> u32 handle, u64 bytes to its first hole (those need no
                                      lease), u64 lease, u32 made (the file is new); fd */
    FILES_CLOSE,                   /* u32 handle, u64 lease left; not answered */
    FILES_LEASE,                   /* u32 handle, u64 left of the lease, u64 bytes wanted more -> u64 granted on top of what is left (less than
                                      wanted when less is there); wanted 0: refused with the words of a full disk */
    FILES_OPENDIR,                 /* bytes path -> u32 handle */
    FILES_READDIR,                 /* u32 handle -> u32 count, per entry: bytes name, str long name, attrs; count 0: the end */
    FILES_STAT, FILES_LSTAT,       /* bytes path -> attrs */
    FILES_FSTAT,                   /* u32 handle -> attrs */
    FILES_SETSTAT, FILES_LSETSTAT, /* bytes path, attrs */
    FILES_FSETSTAT,                /* u32 handle, attrs */
    FILES_MKDIR,                   /* bytes path, attrs */
    FILES_RMDIR, FILES_REMOVE,     /* bytes path */
    FILES_RENAME,                  /* bytes from, bytes to, u32 replace */
    FILES_LINK, FILES_SYMLINK,     /* bytes target, bytes link path */
    FILES_READLINK,                /* bytes path -> bytes target */
    FILES_STATVFS,                 /* bytes path -> u64 x 11: bsize frsize blocks bfree bavail files ffree favail fsid flag namemax */
    FILES_FSYNC,                   /* u32 handle */
    FILES_COPY,                    /* u32 from handle, u64 offset, u64 bytes at most, u32 to handle, u64 offset -> u64 copied, 4 MiB at
                                      most (0: the source ends there); the lease of `to` is given back */
    FILES_DU = 0x0216,             /* u32 DU_*, bytes path, u32 the largest wanted -> u32 done, u64 allocated bytes, u64 apparent, u64 files,
                                      u64 directories, u64 of those not read, u32 count, per entry (only when done): u32 directory, u64 bytes,
                                      bytes path below it, cut at its beginning behind "..." where it is long.  One at a time; each answer is
                                      one slice, GO_ON the next */
    FILES_GIVE = 0x0217,           /* u32 handle, u64 left of the lease: it all comes back, what was written and what is not wanted now; not answered */
    FILES_MANY = 0x0218,           /* one or more of: u32 type, bytes its fields; done in that order.  All but the last are CLOSE or GIVE */
    FILES_ENDED = 0x02ff,          /* to the session, from the supervisor, which has ended the worker: str why; the last one */
};

enum { DU_BEGIN, DU_GO_ON, DU_TOP_MOST = 100 };

/* tool -> supervisor (AF_UNIX SOCK_SEQPACKET, PATHS.run/holdfast.sock, root only): TOOL_REQUEST; answered by any number of TOOL_OUTPUT
   and TOOL_PROGRESS, and one TOOL_DONE. */
enum tool_type {
    TOOL_REQUEST = 0x0301,         /* str verb, u32 json, u32 number of arguments, str each; bytes secret (a password, or empty); [fd: the archive
                                      of an import] */
    TOOL_OUTPUT = 0x0302,          /* bytes text */
    TOOL_DONE = 0x0303,            /* u32 exit code, str error text */
    TOOL_PROGRESS = 0x0304,        /* str a line for a terminal, in place of the last one */
};

/* supervisor -> session, on the link that came with OP_RSYNC; nothing goes the other way, but its end ends the errand at once. */
enum errand_type {
    ERRAND_ENDED = 0x0601,         /* u32 exit code (126 or 127: it could not be started), u32 signal, str why the supervisor ended it or "" */
};

/* session <-> prompt, on the link of OP_PROMPT.  Keys of the client are written to the pty's master by the session, which reads there what is to be shown.
   Between a READ and its LINE or STOPPED the terminal is the prompt's alone; with these two it writes PROMPT_MARK to the terminal, behind all else
   that it wrote, so that the session, which lets it vanish, knows that all of it has come.  After a key that ends a line (CR or LF) the session
   writes no more until LINE or MORE has come: what was typed ahead is the session's to keep. */
enum prompt_type {
    PROMPT_READY = 0x0801,         /* from prompt: the terminal is set up; once, first */
    PROMPT_READ = 0x0802,          /* to prompt: u32 prompt_kind, str name of the history, str prompt: edit one line */
    PROMPT_LINE = 0x0803,          /* from prompt: u32 is it the end (ctrl-D), bytes line, at most PROMPT_LINE_MOST, without its end */
    PROMPT_MORE = 0x0804,          /* from prompt: what should have ended the line did not */
    PROMPT_COMPLETE = 0x0805,      /* from prompt, with an id: bytes line up to the cursor */
    PROMPT_COMPLETIONS = 0x0806,   /* to prompt, with the same: u32 where the word begins, u32 that were left out, u32 n (at most COMPLETIONS_MOST), bytes
                                      each: the whole word, with what goes behind it */
    PROMPT_OUTPUT = 0x0807,        /* to prompt, any time: u32 does it begin a line of its own, bytes (UTF-8, made safe): shown above the line being edited */
    PROMPT_RESIZE = 0x0808,        /* to prompt, any time: the terminal has another size */
    PROMPT_STOP = 0x0809,          /* to prompt, while it edits: u64 bytes that were written to the terminal so far: the line is given up */
    PROMPT_STOPPED = 0x080a,       /* from prompt, instead of LINE */
};
/* COMMANDS: TAB completes.  TEXT: it is a character. */
enum prompt_kind { PROMPT_COMMANDS, PROMPT_TEXT, PROMPT_KINDS };
enum { PROMPT_LINE_MOST = 4096, TERM_MOST = 64, PROMPT_PIECE = 16 * 1024, COMPLETIONS_MOST = 200, PROMPT_MARK = 0xff };
/* What a name of a kind of terminal is made of. */
#define TERM_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"

#endif
