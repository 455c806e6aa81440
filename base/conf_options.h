/* Every option of the ini files, once.  Structs, parser, -T, the samples' check and the man page's check are all made from here.

   O(field, "key", TYPE, "default", "unit or allowed values", "help")
   A default of NULL means the key must be given; "" means none.  Types are those of base/conf.h. */
#ifndef BASE_CONF_OPTIONS_H
#define BASE_CONF_OPTIONS_H

#define CONF_LISTEN(O) \
    O(address, "address", LIST, "127.0.0.1:2222", "ADDRESS:PORT, [V6]:PORT; repeat for more", "where to listen")

#define CONF_LIMITS(O) \
    O(login_grace, "login_grace", TIME, "20s", "time", "from connecting to being logged in") \
    O(unauthenticated, "max_unauthenticated", UINT, "100", "connections, 1 to 10000", "not logged in at once; from a tenth on, random ones of those that wait are put out for others") \
    O(per_source, "max_per_source", UINT, "20", "connections, 1 to 10000", "not logged in at once from one source (/32, /64)") \
    O(connections, "max_connections", UINT, "512", "connections, 1 to 10000", "at once, of everybody; one uid each") \
    O(auth_tries, "auth_tries", UINT, "20", "keys, 1 to 1000", "that do not fit, of one source, before it is refused") \
    O(password_tries, "password_tries", UINT, "3", "passwords, 0 to 100", "wrong ones, of one source, before it is refused") \
    O(cooldown, "cooldown", TIME, "60s", "time", "a source is refused for after too many tries") \
    O(channels, "channels", UINT, "10", "channels, 1 to 100", "at once on one connection") \
    O(handles, "handles", UINT, "32", "handles, 1 to 1000", "open at once on one SFTP channel") \
    O(account_handles, "account_handles", UINT, "128", "handles, 1 to 100000", "open at once of one account") \
    O(node_handles, "node_handles", UINT, "1024", "handles, 1 to 1000000", "open at once of everybody; shared out fairly") \
    O(keepalive, "keepalive", TIME, "60s", "time", "of silence before the client is asked for a sign of life") \
    O(keepalive_misses, "keepalive_misses", UINT, "3", "times, 1 to 1000", "unanswered before the connection is dead") \
    O(penalty_crash, "penalty_crash", TIME, "90s", "time", "a source is refused for after a session of its died") \
    O(penalty_auth, "penalty_auth", TIME, "5s", "time", "added for a failed login") \
    O(penalty_user, "penalty_user", TIME, "5s", "time", "added for an unknown account") \
    O(penalty_noauth, "penalty_noauth", TIME, "1s", "time", "added for leaving without a try") \
    O(penalty_grace, "penalty_grace", TIME, "10s", "time", "added for running into the login grace") \
    O(penalty_min, "penalty_min", TIME, "15s", "time", "accrued before a source is refused") \
    O(penalty_max, "penalty_max", TIME, "10m", "time", "accrued at most") \
    O(exempt, "exempt", LIST, "", "network, as 192.0.2.0/24 or 2001:db8::/32; repeat for more", "never punished, nor dropped when many are not logged in") \
    O(rate, "rate", LIST, "", "VERB BURST/TIME; repeat for more", "how often an account may do what costs much, or VERB none; instead of backup.create 12/1h, backup.get 60/1h, rsync 600/1h, sum 64G/1h, check-file 64G/1h") \
    O(image_size, "image_size", SIZE, "20G", "bytes, at least 1M", "an imported image unpacked") \
    O(image_files, "image_files", UINT, "1000000", "files and folders, 16 to 100000000", "of an imported image")

#define CONF_AUTH(O) \
    O(ca_key, "ca_key", LIST, "", "key of a CA, ssh-ed25519 BASE64 [LABEL]; repeat for more", "CA whose certificates of users are believed") \
    O(ca_keys_file, "ca_keys_file", PATH, "", "path, relative to the file it stands in", "more keys of CAs, a line each") \
    O(revoked, "revoked", LIST, "", "public key, serial: N[-M], id: TEXT, hash: SHA256:...; repeat for more", "keys and certificates that are not believed any more") \
    O(revoked_keys, "revoked_keys", PATH, "", "path, relative to the file it stands in", "more of these, a line each, as 'ssh-keygen -k' reads them")

#define CONF_PATHS(O) \
    O(state, "state", PATH, "/var/lib/holdfast", "absolute path", "store, servers, logs, backups") \
    O(run, "run", PATH, "/run/holdfast", "absolute path", "sockets; must not survive a boot") \
    O(libexec, "libexec", PATH, "", "absolute path", "folder of the role programs; empty: as built")

#define CONF_IDS(O) \
    O(store, "store", USER, "holdfast-store", "user name or uid", "the store process") \
    O(shim, "shim", USER, "holdfast-shim", "user name or uid", "the shim of each server") \
    O(image, "image", USER, "holdfast-image", "user name or uid", "the owner of imported images' files") \
    O(filter, "filter", USER, "holdfast-filter", "user name or uid", "the packet filter") \
    O(sessions, "sessions", UINT, "1879048192", "uid, 1 to 4294901760", "the first connection slot's; one uid a slot from here") \
    O(servers, "servers", UINT, "1900019712", "uid, 1 to 4294901760", "the first server's range of 65536") \
    O(ranges, "ranges", UINT, "0", "ranges, 0 to 32767; 0: as many as there are below uid 2147483648", "for servers, over time: a range is never given to another")

#define CONF_SANDBOX(O) \
    O(limits, "limits", ENUM, "required", "required | available", "start servers without cgroup v2 limits?") \
    O(cgroup, "cgroup", STR, "holdfast", "name", "of our group, at the root of cgroup2; servers are below it")

#define CONF_NETWORK(O) \
    O(pool, "pool", STR, "10.213.0.0/16", "IPv4 network", "private networks are taken from here, four addresses a server") \
    O(pool6, "pool6", STR, "fd6b:52ca:7d1f::/48", "IPv6 network, or empty: no IPv6", "the same for IPv6, four addresses a server") \
    O(publish, "publish", LIST, "", "IP address; repeat for more; none: all of the host's", "where the ports of servers are reached from outside") \
    O(dns, "dns", LIST, "1.1.1.1 8.8.8.8", "IP address; repeat for more", "resolvers named inside sandboxes, and the only ones reached") \
    O(forward, "forward", ENUM, "yes", "yes | no", "switch the kernel's forwarding on, for servers alone, where it is off") \
    O(table, "table", STR, "holdfast", "table of nftables, its name beginning with holdfast", "ours, inet; another for each daemon of a machine")

/* The words of quota/backend.h. */
#define CONF_BACKENDS "auto | project | btrfs | zfs | image | fuse | none, unsafe"

#define CONF_QUOTA(O) \
    O(backend, "backend", ENUM, "auto", CONF_BACKENDS, "what holds servers to their disk limits; auto: the strongest that there is where they lie")

#define CONF_EVENTS(O) \
    O(command, "command", STR, "", "absolute path of a program, and its arguments, quoted as in a shell; empty: none", "run for each event, which it gets as JSON on stdin") \
    O(timeout, "timeout", TIME, "30s", "time, 1s to 10m", "it may run, before all it started is ended") \
    O(only, "only", LIST, "", "backup, crash, failed, locked, login, offline, quota, restarting, running, starting or stopping; repeat for more", "it is run for these alone")

#define CONF_LOG(O) \
    O(level, "level", ENUM, "info", "error | warn | info | debug", "least serious lines written") \
    O(activity_days, "activity_days", UINT, "90", "days, 1 to 36500", "records of who did what are kept for") \
    O(activity_rows, "activity_rows", UINT, "200000", "records, 1000 to 1000000", "of who did what at most; a long path counts as several; the oldest of the server with most go first")

#define CONF_ACCOUNT(O) \
    O(key, "key", LIST, "", "one line of authorized_keys form; repeat for more", "public key") \
    O(keys_file, "keys_file", PATH, "", "path, relative to the file it stands in", "more public keys, authorized_keys form") \
    O(own_keys, "own_keys", ENUM, "yes", "yes | no", "may set keys of its own in /.ssh/authorized_keys, and log in with them") \
    O(password, "password", ENUM, "no", "yes | no", "may log in with the password set by 'holdfast account passwd'") \
    O(second_factor, "second_factor", ENUM, "none", "none | totp", "what it must set up and is asked for behind key or password; it may on its own") \
    O(suspended, "suspended", ENUM, "no", "yes | no", "may not log in, sessions are closed") \
    O(max_connections, "max_connections", UINT, "10", "connections, 1 to 10000", "at once") \
    O(rights, "rights", RIGHTS, "*", "RIGHT..., -RIGHT..., as of allow", "at most these on every server, its own included")

#define CONF_SERVER(O) \
    O(owner, "owner", NAME, NULL, "account", "whose it is") \
    O(allow, "allow", ALLOW, "", "ACCOUNT: RIGHT..., -RIGHT...; repeat for more", "what others may do: rights, or a role") \
    O(deny, "deny", LIST, "", "pattern of names, as *.pem or keys/*.key; repeat for more", "what no account sees or touches of its files") \
    O(command, "command", STR, NULL, "program and arguments, quoted as in a shell, nothing expanded", "what is run") \
    O(directory, "directory", STR, "/home/server", "absolute path inside", "where it is run") \
    O(environment, "environment", LIST, "", "NAME=VALUE; repeat for more", "added to its environment") \
    O(image, "image", NAME, "host", "host, or an image of 'holdfast image list'", "its root file system; host: the machine's /usr") \
    O(seccomp, "seccomp", LIST, "", "+CALL or -CALL, several on a line; repeat for more", "system calls it may make beside the usual, or may not") \
    O(tty, "tty", ENUM, "no", "yes | no", "a terminal instead of pipes") \
    O(shell, "shell", ENUM, "no", "yes | no", "whoever has the right may open a shell in its sandbox") \
    O(memory, "memory", SIZE, "1G", "bytes, at least 1M", "hard limit") \
    O(memory_high, "memory_high", SIZE, "0", "bytes; 0: none", "reclaimed and slowed above") \
    O(swap, "swap", SIZE, "0", "bytes", "swap it may use") \
    O(cpu, "cpu", PERCENT, "100%", "percent of one core, 1 to 100000", "most it may use") \
    O(cpu_weight, "cpu_weight", UINT, "100", "1 to 10000", "share when cores are short") \
    O(io_weight, "io_weight", UINT, "100", "1 to 10000", "share when disks are busy") \
    O(pids, "pids", UINT, "512", "processes and threads, 3 to 4194304", "most at once") \
    O(memory_reservation, "memory_reservation", SIZE, "0", "bytes; 0: none", "left to it when memory is short") \
    O(cpu_burst, "cpu_burst", TIME, "0ms", "time, at most what 'cpu' gives in 100ms", "saved while idle, used above 'cpu' in one 100ms") \
    O(cpuset, "cpuset", STR, "", "processors, as 0-3,6; empty: all", "it may run on") \
    O(io_read, "io_read", SIZE, "0", "bytes a second; 0: any", "read from its disk") \
    O(io_write, "io_write", SIZE, "0", "bytes a second; 0: any", "written to its disk") \
    O(io_read_ops, "io_read_ops", UINT, "0", "operations a second, 0 to 1000000000; 0: any", "reading from its disk") \
    O(io_write_ops, "io_write_ops", UINT, "0", "operations a second, 0 to 1000000000; 0: any", "writing to its disk") \
    O(nofile, "nofile", UINT, "65535", "descriptors, 16 to 1048576", "most per process") \
    O(tmp, "tmp", SIZE, "100M", "bytes, at least 64K", "size of its /tmp; a quarter of its memory if that is less") \
    O(disk, "disk", SIZE, "1G", "bytes, at least 1M", "of its files") \
    O(inodes, "inodes", UINT, "100000", "files and folders, 16 to 1000000000", "most at once") \
    O(quota, "quota", ENUM, "", CONF_BACKENDS, "what holds it to these two; empty: as [quota] backend says") \
    O(port, "port", PORTS, "", "PORT/tcp or PORT/udp; repeat for more", "it listens on") \
    O(network, "network", ENUM, "private", "private | none", "private: behind the packet filter; none: loopback alone, and that is down") \
    O(link, "link", LIST, "", "name of a server; repeat for more", "that it may connect to, at its inside address") \
    O(egress, "egress", LIST, "", "allow or deny NET[:PORT[-PORT]][/tcp or /udp]; repeat for more", "the first that fits decides, then what is always refused") \
    O(net_up, "net_up", SIZE, "0", "bytes per second, 16K to 16G; 0: no limit", "most it may send") \
    O(net_down, "net_down", SIZE, "0", "bytes per second, 16K to 16G; 0: no limit", "most it may be sent") \
    O(stop, "stop", HOW, "signal:TERM", "line:TEXT | signal:NAME", "how it is asked to stop") \
    O(stop_timeout, "stop_timeout", TIME, "30s", "time", "before it is killed") \
    O(ready, "ready", HOW, "none", "line:TEXT | tcp:PORT | notify | none", "what says it is up; notify: READY=1 on NOTIFY_SOCKET, as sd_notify(3) sends it") \
    O(start_timeout, "start_timeout", TIME, "0ms", "time; 0: none", "from its start to its being up, before it is stopped as failed") \
    O(watchdog, "watchdog", TIME, "0ms", "time; 0: none", "without WATCHDOG=1 on NOTIFY_SOCKET, once it is up, before it is killed as failed") \
    O(restart, "restart", ENUM, "on-failure", "never | on-failure | always", "after it ended by itself") \
    O(success_exit, "success_exit", EXITS, "0", "exit codes, 0 to 255, and signals, as 143 SIGTERM; 0 always is one", "ends by itself that are no failure") \
    O(restart_tries, "restart_tries", UINT, "5", "failures, 0 to 100; 0: any number", "within restart_window before it is given up") \
    O(restart_window, "restart_window", TIME, "10m", "time", "in which failures are counted") \
    O(autostart, "autostart", ENUM, "no", "yes | no", "start it with the daemon, as long as nobody has started or stopped it; when it ended by itself, with the next boot")

/*   S(SECTION, section word, struct tag, named?, which file) */
#define CONF_SECTIONS(S) \
    S(CONF_LISTEN, "listen", listen, false, CONF_FILE_DAEMON) \
    S(CONF_LIMITS, "limits", limits, false, CONF_FILE_DAEMON) \
    S(CONF_AUTH, "auth", auth, false, CONF_FILE_DAEMON) \
    S(CONF_PATHS, "paths", paths, false, CONF_FILE_DAEMON) \
    S(CONF_IDS, "ids", ids, false, CONF_FILE_DAEMON) \
    S(CONF_SANDBOX, "sandbox", sandbox, false, CONF_FILE_DAEMON) \
    S(CONF_NETWORK, "network", network, false, CONF_FILE_DAEMON) \
    S(CONF_QUOTA, "quota", quota, false, CONF_FILE_DAEMON) \
    S(CONF_EVENTS, "events", events, false, CONF_FILE_DAEMON) \
    S(CONF_LOG, "log", log, false, CONF_FILE_DAEMON) \
    S(CONF_ACCOUNT, "account", account, true, CONF_FILE_ACCOUNTS) \
    S(CONF_SERVER, "server", server, true, CONF_FILE_SERVERS)

#endif
