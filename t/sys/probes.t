#!/bin/bash
# From inside a server: every probe of t/lib/probes/table.c is answered as the table says, and no bomb disturbs anyone else.
# That each probe would notice is t/sys/weaken.t's to show.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
PROBER=${BUILD:-$HERE/build}/t/lib/prober
[ -x "$PROBER" ] || skip_all "t/lib/prober is not built"
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
restart = never
stop_timeout = 2s
[server two]
command = ./run --canary
restart = never
E2
rig_up --ini "$SCRATCH/more.ini"
for s in one two; do put_run $s <"$PROBER" 2>/dev/null; done
put_run three <"$HERE/t/payload/echo" 2>/dev/null
exits 0 "start a server of another account" started three
three=$(field three pid)

# --- what must not be found: of the host, and of another server of the same owner ---------------------------------------------------------

exits 0 "start the neighbour" started two
mkdir "$SCRATCH/host"; chmod 0755 "$SCRATCH" "$SCRATCH/host"
(cd "$SCRATCH/host" && exec "$PROBER" --canary >canary) & canary=$!
end_canary() { kill $canary; wait $canary; }
cleanup end_canary
ok "the host's things are there" wait_until 5 grep -q '^end=' "$SCRATCH/host/canary"
neighbour() { hf alice logs two -n 60 | grep -oE '(^|[[:space:]])(ns-[a-z]+|abstract|tcp|socket|ipc|mqueue|pid|end)=.*' | sed 's/^[[:space:]]*/two-/' >"$SCRATCH/two"; grep -q '^two-end=' "$SCRATCH/two"; }
ok "the neighbour's are" wait_until 10 neighbour
files=$PREFIX/state/servers
for f in "$CONFIG/secret.key" "$PREFIX/state/store/store.db"; do ok "on the host there is $(basename "$f")" test -f "$f"; done
as_server two sh -c 'echo "of two" >secret; chmod 0644 secret'
{ cat "$SCRATCH/host/canary" "$SCRATCH/two"; echo "secret=$files/two/secret"
    echo "secret-key=$CONFIG/secret.key"; echo "store=$PREFIX/state/store"; echo "store-db=$PREFIX/state/store/store.db"; } >"$SCRATCH/canary"
put alice "$SCRATCH/canary" /one/canary >/dev/null
# What only the host's root could put there.
owner=$(stat -c %u "$files/one/run")
(cd "$files/one" && setpriv --reuid "$owner" --regid "$owner" --clear-groups --inh-caps +mknod --ambient-caps +mknod mknod -m 0666 device c 1 3)
as_server one sh -c 'cat >setuid' <"$PROBER"
chown "$((owner - 1000)):$((owner - 1000))" "$files/one/setuid" && chmod 6755 "$files/one/setuid"
is "$(stat -c '%F %a %u' "$files/one/device" "$files/one/setuid")" "character special file 666 $owner
regular file 6755 $((owner - 1000))" "what only the host's root could put there lies there"

# --- the probes -------------------------------------------------------------------------------------------------------------------------

exits 0 "start" hf alice start one --wait --timeout 30
exits 0 "all probes are tried" hf alice send --expect "'done all'" --timeout 60 one all
batch alice <<<"get /one/answers $SCRATCH/answers" >/dev/null
"$PROBER" --list >"$SCRATCH/table"
python3 "$HERE/t/lib/probes/compare.py" "$SCRATCH/table" "$SCRATCH/answers" >"$SCRATCH/results" 2>&1
is $? 0 "the answers were read to their end"
import_results "$SCRATCH/results" ""
atleast "$(grep -c . "$SCRATCH/answers")" 60 "probes"
ok "init took no harm from what it was sent" state_is one running

# --- the bombs ---------------------------------------------------------------------------------------------------------------------------

fine() {   # another account's command and file within a bound; the neighbour's process is the same
    timeout $((RUN_BOUND / 4)) bash -c "$(declare -f batch hf); SSH=(${SSH[*]@Q}); SFTP=(${SFTP[*]@Q}); RUN_BOUND=$((RUN_BOUND / 6))
        hf bob status three >/dev/null && batch bob <<<'get /three/run $SCRATCH/got' >/dev/null" && [ "$(field three pid)" = "$three" ] && state_is two running
}
memory_bomb() {
    ok "$name: the server is ended" wait_until 60 state_is one failed
    like "$(field one reason)" "^out of memory at its limit of " "$name: and its status says why"
    ok "$name: nobody else noticed" fine
    exits 0 "$name: it starts again" hf alice start one --wait --timeout 60
}
controllers=yes
[ "$(field one limits)" != missing ] || controllers=no
while IFS=$'\t' read -r name kind want _ _ _ <&4; do
    case $kind in probe) continue ;; bomb-vm) [ $controllers = yes ] || { skip "$name" "no cgroup v2 controllers: t/vm/probes.t"; continue; } ;; esac
    [ "$name" != "bomb: kill them all" ] || continue
    hf alice send --expect "'done $name: '" --timeout 100 one "'$name'" >"$SCRATCH/said" 2>&1 &
    job=$!
    sleep 0.3
    ok "$name: nobody else suffers meanwhile" fine
    wait $job
    [ "$kind" = bomb ] || { memory_bomb; continue; }
    got=$(hf alice logs one -n 20 | sed -n "s|.*done $name: ||p" | tail -n 1)
    like "$got" "^($want)$" "$name: $got"
    state_is one running || { hf alice start one --wait --timeout 30 >/dev/null 2>&1; fail "$name: the server did not survive"; }
done 4<"$SCRATCH/table"
hf alice send one "'bomb: kill them all'" >/dev/null 2>&1
ok "a server may end itself" wait_until 10 state_is one failed
exits 0 "and is started again" hf alice start one --wait --timeout 30
ok "nobody else noticed" fine
ok "the owner lists what the bombs left" batch alice <<<"ls -la /one
ls /one/deep"
exits 0 "and sees what is left of his disk" hf alice quota one
ok "the daemon is up" daemon_up
done_testing
