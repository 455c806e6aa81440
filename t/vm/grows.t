#!/bin/bash
# vm: kernels 6.1 6.12
# A whole appliance, whose launch has the right to grow an image and its filter: a server's disk grows and shrinks under it.  The images alone: disk.t.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
RUN_BOUND=300 MiB=1048576
scratch
printf '[server one]\ndisk = 8M\ninodes = 300\n' >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
D=$PREFIX/state/servers
free_bytes() { echo $(($(stat -f -c '%a * %S' "$D/$1"))); }
free_inodes() { stat -f -c %d "$D/$1"; }
put_run one <"$HERE/t/payload/echo"
exits 0 "a server runs" started one
pid=$(field one pid)
atmost "$(free_bytes one)" $((8 * MiB)) "on a small disk"
sed -i '/^\[server one\]/,/^\[/{s/^disk = .*/disk = 300M/;s/^inodes = .*/inodes = 900/}' "$CONFIG/servers.d/rig.ini"
exits 0 "a reload with more" "$TOOL" --run "$RUN" reload
ok "it is had at once" wait_until 120 eval '[ "$(free_bytes one)" -ge $((299 * MiB)) ]'
atmost "$(free_bytes one)" $((300 * MiB)) "and no more than that"
atmost "$(free_inodes one)" 900 "nor inodes"
is "$(field one pid)" "$pid" "by the server that runs"
ok "the log says so" grep -q "disk grown" "$LOG"
exits 0 "a login sees it" hf alice df /one
atleast "$(awk 'NR == 2 { print $2 }' <<<"$out")" $((290 * 1024)) "in df, in KiB"
head -c 20M /dev/urandom >"$SCRATCH/data"
ok "and fills some of it" put alice "$SCRATCH/data" /one/data
sed -i '/^\[server one\]/,/^\[/s/^disk = .*/disk = 40M/' "$CONFIG/servers.d/rig.ini"
exits 0 "a reload with less" "$TOOL" --run "$RUN" reload
ok "which holds at once" wait_until 120 eval '[ "$(free_bytes one)" -le $((20 * MiB)) ]'
nok "what would be above it is refused" put alice "$SCRATCH/data" /one/more
is "$(field one pid)" "$pid" "the server runs on"
done_testing
