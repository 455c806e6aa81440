/* The gate in front of a server's disk: whoever writes on a server's behalf takes a lease of bytes before it writes.  One shared page per server
   (a memfd), any number of processes.  The wall behind it is the kernel's quota; `used` comes from there at every take, and leases
   that are out but not yet written count on top, so all writers together never pass the limit.

   The page holds no count of what is used: the server itself writes past the gate, so only the kernel knows, and a copy of its answer would be old
   when it is read.  What the page has in its place is how often leases came back (gate_take_used).  Asking costs 0.4 us alone and 5 us among eight
   at once (t/bench/gate), once for each MiB that is written.

   Units are bytes.  Every worker has a slot; a dead worker's slot is given back by the supervisor.  Slots are enough for an account's ten
   connections of 40 workers each on one server: a page of the same kind counts its handles (sshd/files/handle.h). */
#ifndef QUOTA_GATE_H
#define QUOTA_GATE_H

#include <stdbool.h>
#include <stdint.h>

enum { GATE_SLOTS = 512 };
#define GATE_LEASE (1024u * 1024u)

struct gate;   /* the mapped page */

/* A new page in a memfd (close-on-exec); -1 with errno. */
int gate_create(void);
/* Maps the page of FD (which may be closed afterwards).  NULL with errno; EINVAL if it is no gate. */
struct gate *gate_map(int fd);
void gate_unmap(struct gate *g);

/* Sets the limit; applies to the next take. */
void gate_set_limit(struct gate *g, uint64_t limit);
uint64_t gate_limit(const struct gate *g);
/* Bytes out in leases. */
uint64_t gate_leased(const struct gate *g);

/* Takes up to WANT bytes, at least LEAST, for SLOT, given USED bytes on the disk now.  Returns what was granted, or 0 when LEAST does
   not fit any more. */
uint64_t gate_take(struct gate *g, unsigned slot, uint64_t used, uint64_t want, uint64_t least);
/* The same with USED asked from FN(DATA), and asked again when somebody gave back meanwhile: between a look at the disk and the take,
   another's written lease would else be missed in both.  Whoever measures the disk itself uses this one; FN reads the disk, nothing else. */
typedef uint64_t gate_used_fn(void *data);
uint64_t gate_take_used(struct gate *g, unsigned slot, gate_used_fn *fn, void *data, uint64_t want, uint64_t least);
/* Gives back N bytes (written, or not wanted any more). */
void gate_give(struct gate *g, unsigned slot, uint64_t n);

/* Ledger mode, where the kernel does not count: what a count found, and all that was written through the gate since that count began.  Bytes that
   are both in the count and in "since" show twice until the next one, never not at all.  From the first gate_set_used on the page is a ledger; it
   stays one.

   Supervisor: gate_written before a count begins, and that number again with what the count found.  `inodes` and their limit are for words: no
   lease is taken of them. */
void gate_set_used(struct gate *g, uint64_t used, uint64_t inodes, uint64_t written_before);
void gate_set_inodes_limit(struct gate *g, uint64_t limit);
uint64_t gate_written(const struct gate *g);
bool gate_ledger(const struct gate *g);
/* 0 as long as nothing was set. */
uint64_t gate_used(const struct gate *g);
uint64_t gate_inodes(const struct gate *g, uint64_t *limit);
/* Gives back N bytes that were written: in ledger mode they are used from here on. */
void gate_wrote(struct gate *g, unsigned slot, uint64_t n);

/* Supervisor: a free slot, or -1 when all are taken; and back, with whatever its owner had out. */
int gate_slot_take(struct gate *g);
void gate_slot_drop(struct gate *g, unsigned slot);

#endif
