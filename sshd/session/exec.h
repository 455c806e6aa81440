/* One command on one channel: its words, its verb, and the small vocabulary verbs are written in.  Everything a verb waits for it waits for
   in callbacks, so channels never hold each other up. */
#ifndef SESSION_EXEC_H
#define SESSION_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "sshd/session/channel.h"
#include "sshd/session/session.h"

/* PRODUCT's exit codes. */
enum exit_code {
    EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STATE = 3, EXIT_UNAVAILABLE = 69, EXIT_QUOTA = 73, EXIT_LATER = 75,
    EXIT_NOT_PERMITTED = 77, EXIT_DISABLED = 126, EXIT_UNKNOWN_VERB = 127
};

enum option {
    OPTION_JSON = 1, OPTION_WAIT = 2, OPTION_TIMEOUT = 4, OPTION_LINES = 8, OPTION_FOLLOW = 16, OPTION_EXPECT = 32, OPTION_RAW = 64,
    OPTION_FORCE = 128, OPTION_QR = 256, OPTION_TOP = 512, OPTION_AFTER = 1024,
    OPTION_SINCE = 4096
};

/* SERVER on the command line: not taken; one, named or the only one; one or, left out, all. */
enum server_word { SERVER_NONE, SERVER_ONE, SERVER_ALL };

struct exec;
struct exec_files;
struct prompt;

/* What COMPLETED words behind the verb are, beside the server that it takes and its options. */
enum completed { COMPLETE_NOTHING, COMPLETE_PATHS, COMPLETE_SERVERS_AND_PATHS, COMPLETE_VERBS };

/* Called from the loop: the command has ended with CODE.  The caller of exec_within frees it, by exec_ops.closed. */
typedef void exec_done_fn(void *data, struct exec *x, int code);

struct verb {
    const char *name;            /* one word, or two: "backup create" */
    enum server_word server;
    uint32_t right;              /* needed on the server; all of these bits */
    unsigned options;
    unsigned least, most;        /* words behind SERVER */
    bool literal;                /* from the first word behind SERVER on, nothing is an option */
    bool plain;                  /* every word is an argument: the verb has options of its own */
    bool streams;                /* no deadline of its own */
    bool enrolling;              /* for who must set up a second factor, too */
    bool secret;                 /* its words are kept out of the log */
    bool protocol;               /* its input is a program's, not a person's: ctrl-C on a terminal ends it */
    enum completed completed;
    void (*run)(struct exec *x);
    const char *usage, *help;
};

struct exec {
    struct channel *channel;
    struct session *session;
    const struct verb *verb;
    const char *line;            /* as it came; in `run` only */
    char **words;                /* NULL-terminated, owned: free with conf_words_free */
    char **args;                 /* the words behind verb, options and SERVER; into `words` */
    size_t nargs;
    char *server;                /* owned; NULL with SERVER_NONE, and with SERVER_ALL when left out */
    unsigned options;            /* given */
    uint64_t timeout_ms, lines, top, after;
    int64_t since;               /* wall ms */
    const char *expect;

    /* What a verb that goes on keeps; freed by `drop`, called once before the end. */
    void *state;
    void (*drop)(struct exec *x);
    /* Input and room, for verbs that take them; without, input is dropped. */
    size_t (*input)(struct exec *x, const uint8_t *bytes, size_t size);
    void (*input_end)(struct exec *x);
    void (*room)(struct exec *x);
    void (*resize)(struct exec *x, unsigned columns, unsigned rows);
    void (*interrupt)(struct exec *x, const char *signal);

    uint32_t asked;              /* id of the question that is out; 0: none */
    void (*answer)(struct exec *x, int code, const char *text, struct msg *m);
    struct timer *deadline;
    struct rights_listener *rights;
    struct exec_files *files;    /* exec_files.c */
    uint32_t relied;             /* rights without which the command ends; the verb's, and what it adds */
    bool ended;

    /* Of one that was typed at a prompt. */
    struct prompt *prompt;       /* lent, for what the verb reads; NULL: there is none */
    exec_done_fn *done;          /* NULL: its end is the channel's */
    void *done_data;
    struct session_turn *turn;
    int code;
    bool cut;                    /* the channel ends with it all the same */
};

struct exec_option {
    const char *word;            /* NULL: the last */
    enum option bit;
    bool (*set)(struct exec *x, const char *value);   /* NULL: takes no value */
};
extern const struct exec_option exec_options[];
/* Takes the option at WORDS[*I] (and its value); false when the command has been ended. */
bool exec_option(struct exec *x, char **words, size_t *i);

/* What a command makes of its channel's events; DATA is the command. */
extern const struct channel_ops exec_ops;
/* Runs COMMAND on C, whose program is the caller, who hands it the channel's events by exec_ops and is told its end by DONE. */
struct exec *exec_within(struct channel *c, struct prompt *prompt, const char *command, exec_done_fn *done, void *data);

/* stdout, with "\r\n" on a terminal; stderr the same way, a line each. */
void exec_out(struct exec *x, const void *bytes, size_t size);
void exec_print(struct exec *x, const char *fmt, ...) PRINTF(2, 3);
void exec_note(struct exec *x, const char *fmt, ...) PRINTF(2, 3);
/* One line of JSON, or of text: what B holds goes to stdout and B is emptied. */
void exec_flush(struct exec *x, struct buf *b);

/* Asks the store; FN gets the answer.  One question at a time. */
void exec_ask(struct exec *x, enum op op, const char *server, uint64_t number, const char *arg,
              void (*fn)(struct exec *x, int code, const char *text, struct msg *m));
/* The same with a secret, which the caller wipes. */
void exec_ask_bytes(struct exec *x, enum op op, uint64_t number, const void *arg, size_t size,
                    void (*fn)(struct exec *x, int code, const char *text, struct msg *m));
/* The deadline anew: after MS without another call the command ends with EXIT_LATER.  0: none. */
void exec_deadline(struct exec *x, uint64_t ms);
bool exec_json(const struct exec *x);
bool exec_terminal(const struct exec *x);
/* Ends the command.  Nothing may be done with X afterwards but return. */
void exec_end(struct exec *x, int code);
void exec_fail(struct exec *x, int code, const char *fmt, ...) PRINTF(3, 4);
/* For answers: true if CODE is 0; else the command has been ended with CODE and TEXT. */
bool exec_ok(struct exec *x, int code, const char *text);
/* An event loop timer on the command's connection; timer_free before the end. */
struct timer *exec_timer(struct exec *x, uint64_t ms, void (*fn)(void *data));
/* The same for DATA instead of X. */
struct timer *exec_timer_for(struct exec *x, uint64_t ms, void (*fn)(void *data), void *data);

#endif
