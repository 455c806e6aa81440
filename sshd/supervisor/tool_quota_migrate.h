/* `holdfast quota migrate SERVER BACKEND [--dry-run]`: the server's files go to another backend (quota/migrate.h), in a job of launch's.  The
   server is stopped, and neither starts nor shows its files until the job has ended. */
#ifndef SUPERVISOR_TOOL_QUOTA_MIGRATE_H
#define SUPERVISOR_TOOL_QUOTA_MIGRATE_H

struct client;
struct server;
struct super;

/* argv: migrate, V's name, the backend, or that and "--dry-run"; answers the client. */
void tool_quota_migrate(struct client *c, struct server *v);
/* Gives up those under way: everything is as it was then. */
void migrations_end(struct super *s);

#endif
