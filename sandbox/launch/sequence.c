/* The order of a launch.  Launch and the child walk the list side by side, each its own steps; where one waits for the other there is a step
   "hear". */
#include "sandbox/launch/access.h"
#include "sandbox/launch/root.h"
#include "sandbox/launch/run.h"

void sequence(struct steps *l, const struct plan *p)
{
    run_steps_prepare(l, p);
    child_steps_alone(l, p);
    run_steps_ids(l, p);
    child_steps_root(l, p);
    /* The tree and the network are made at the same time, by two processors.  The namespace is entered where the tree first has need of it
       (/proc/sys/net), and before anything makes a socket; what stands in it is awaited by launch alone, before the server may begin. */
    run_steps_network(l, p);
    root_steps_make(l, p);
    child_steps_network(l, p);
    root_steps_seal(l, p);
    root_steps_enter(l, p);
    child_steps_terminal(l, p);
    child_steps_notify(l, p);
    /* Rights go behind the last thing that needs them; landlock behind the last mount, which it would refuse, and behind the change of
       user, so that its rules are opened with the server's rights only; the filter last, as it must not have to allow what came before. */
    child_steps_rights(l, p);
    landlock_steps(l, p);
    child_steps_end(l, p);
    run_steps_end(l, p);
    shim_steps(l, p);
    /* The server's first instruction is behind everything that can fail, and behind the answer: where a start has failed, nothing ran. */
    run_steps_start(l, p);
    shim_steps_exec(l, p);
}
