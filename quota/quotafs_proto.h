/* Messages of quotafs.  sshd/PROTOCOL lists who may send what. */
#ifndef QUOTA_QUOTAFS_PROTO_H
#define QUOTA_QUOTAFS_PROTO_H

enum quotafs_type {
    /* launch -> quotafs, first, once, on its descriptor 3: str server, u32 log level, u32 the machine's id of id 0, u64 bytes, u64 inodes; fds:
       /dev/fuse, the folder of the files (a mount of its own that shows the server's range), a listening socket */
    QUOTAFS_START = 0x0740,
    QUOTAFS_READY,         /* answers it, once all was counted: u32 ok, str error, u64 bytes, u64 inodes in use */
    /* By RUN/quota/NAME.sock, root's alone; any number of links, any number of these. */
    QUOTAFS_USE,           /* no field: answered by USAGE */
    QUOTAFS_LIMIT,         /* u64 bytes, u64 inodes: for whoever writes next; answered by USAGE */
    QUOTAFS_WATCH,         /* no field: answered by USAGE, which then comes unasked, with id 0, at most once a second and when it has changed */
    QUOTAFS_END,           /* no field: the process ends, whoever uses the mount; the link's end answers it */
    QUOTAFS_USAGE,         /* from quotafs: u64 bytes, u64 inodes in use, u64 bytes, u64 inodes at most, u32 the machine's id of id 0 */
};

#endif
