#!/bin/bash
# `limits = required` on a machine that cannot hold them: nothing is started, and everybody is told why.  (What limits do where they can be
# held: t/vm/limits.t.)
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
for f in /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/unified/cgroup.controllers; do
    ! grep -qsw memory $f || ! grep -qsw pids $f || skip_all "this machine has the controllers"
done
scratch
printf '[sandbox]\nlimits = required\n' >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
put_run one <"$HERE/t/payload/echo"
run hf alice start one --wait --timeout 30
isnt "$rc" 0 "start is refused"
like "$out$err" 'cgroup v2 controllers missing: .*memory' "the account is told what is missing"
is "$(field one state)" failed "the server is failed"
like "$(field one reason)" 'limits = available' "its reason names the option that would start it without"
is "$(role_pids init | wc -l)$(role_pids shim | wc -l)" 00 "no process of it runs"
ok "files can be reached nevertheless" batch alice <<<"ls /one"
ok "the log says that servers are refused" logged 'limits.missing.*servers=refused'
run "$DAEMON" -c "$CONFIG" -t
is "$rc" 1 "holdfastd -t fails"
like "$out" 'FAIL cgroup: .*controllers missing' "and names the controllers"
is "$("$TOOL" --run "$RUN" doctor | grep -c '^FAIL cgroup')" 1 "so does doctor"
sed -i 's/^limits = required/limits = available/' "$CONFIG/holdfast.ini"
ok "with limits = available" "$TOOL" --run "$RUN" reload
exits 0 "it starts" hf alice start one --wait --timeout 30
run hf alice status one
like "$err" 'limits of memory, cpu and processes are not enforced' "and status says that limits are missing"
ok "the log as well" logged 'server.unlimited.*server=one'
done_testing
