/* What happens to servers and accounts, told to the store, which keeps it and tells it to whom it concerns, and to the admin's own program
   (sink.h).  The words are what `events` shows; the state of a server is one by the same word as in status. */
#ifndef SUPERVISOR_NEWS_H
#define SUPERVISOR_NEWS_H

#include "sshd/supervisor/super.h"

#define NEWS_CRASH "crash"      /* it ended by itself, and not well: why, and what is done about it */
#define NEWS_QUOTA "quota"      /* its disk has passed 80 or 95 percent, or is full */
#define NEWS_BACKUP "backup"    /* a backup was made, or failed */
#define NEWS_LOGIN "login"      /* an account has logged in */

/* SERVER and ACCOUNT may be ""; the text is cut at 500 bytes.  While there is no store the last 256 are held for the next one. */
void news_put(struct super *s, const char *what, const char *server, const char *account, const char *fmt, ...) PRINTF(5, 6);
/* The store has the configuration. */
void news_store_ready(struct super *s);

#endif
