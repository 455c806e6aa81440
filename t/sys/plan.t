#!/bin/bash
# What a start would do, printed without a right and without a start; that it was done, seen from a running server and its /proc; landlock on top of
# the rest; the time an errand is given.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need setpriv strace python3
B=$(cd "${BUILD:-build}" && pwd)
[ -x "$B/t/lib/sandbox_run" ] || skip_all "t/lib/sandbox_run is not built"
scratch
chmod 755 "$SCRATCH"
base=$((0x2300000 + ($$ % 4000) * 65536 + 4000 * 65536))
mkdir "$SCRATCH/files"
chown $((base + 1000)):$((base + 1000)) "$SCRATCH/files"
alone() { timeout 60 "$B/t/lib/sandbox_run" init="$B/holdfast-init" shim="$B/holdfast-shim" launch="$B/holdfast-launch" dir="$SCRATCH/files" base=$base "$@" 2>&1; }

# --- launch -n ---------------------------------------------------------------------------------------------------------------------------------

cp "$B/t/lib/sandbox_run" "$B/holdfast-launch" "$SCRATCH/"
chmod 755 "$SCRATCH/sandbox_run" "$SCRATCH/holdfast-launch"
printed() { setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --no-new-privs "$SCRATCH/sandbox_run" launch="$SCRATCH/holdfast-launch" print=1 \
    init=/nowhere/init shim=/nowhere/shim "$@" -- ./run --with 'two words'; }
exits 0 "launch -n prints a plan for nobody" printed net=private
plan=$out
atleast "$(wc -l <<<"$plan")" 100 "a line a step"
is "$(grep -cvE '^(host|child) [a-z_-]+ ' <<<"$plan")" 0 "each of the host or the child, with a verb"
is "$(printed net=private | sha256sum)" "$(printed net=private | sha256sum)" "the same each time"
like "$plan" 'host tell-init /home/server "./run --with two words"' "the command is in it"
exits 71 "a plan that cannot be is not printed" printed base=0
like "$out" 'plan: uid base 0' "and why"

# --- holdfast server plan ------------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/more.ini" <<'E2'
[server one]
restart = never
nofile = 777
environment = TOKEN=of-the-test
[server none]
owner = alice
command = /usr/bin/python3 ./run
network = none
disk = 16M
E2
rig_up --ini "$SCRATCH/more.ini"
tool() { "$TOOL" --run "$RUN" "$@"; }
known() { tool server show one; }
ok "the daemon knows its servers" wait_until 20 known
exits 0 "holdfast server plan" tool server plan one
plan=$out
uids=$(tool server show one | sed -n 's/^uids \([0-9]*\) .*/\1/p')
like "$plan" "host map uid_map \"0 $uids 65536" "it has the server's ids"
like "$plan" 'child limit nofile 777' "and limits"
like "$plan" 'host veth hf[0-9a-f]{8} "10\.213\.' "and network"
unlike "$plan" 'of-the-test' "and nothing of its environment"
is "$(tail -n 1 <<<"$plan")" "host exec $PREFIX/libexec/holdfast-shim seconds=0" "to its last line"
exits 0 "of a server without a network" tool server plan none
like "$out" 'child landlock rules \[bind-tcp,connect-tcp\]' "landlock takes TCP"
unlike "$out" 'veth' "and there is no interface"
exits 1 "of a server that is not there" tool server plan nosuch
exits 2 "an unknown word" tool server plans one
like "$err" 'allowed: show plan ' "the words are told"
is "$(field one state)" offline "nothing was started"
is "$(ip -4 -o addr | grep -c " 10.213.$SLICE.")" 0 "no interface was made"
wait_until 5 test -z "$(role_pids launch)"
is "$(role_pids launch)" "" "and nobody stays"
unlike "$(<"$LOG")" 'role.died role=plan' "it ended well"

# --- landlock, from inside -----------------------------------------------------------------------------------------------------------------------

put_run one <"$HERE/t/payload/landlocked"
put alice "$HERE/t/payload/landlocked" /none/run >/dev/null
exits 0 "start" started one
exits 0 "start without a network" started none
tells() { rm -f "$SCRATCH/$1"; batch alice <<<"get /$1/landlocked.out $SCRATCH/$1" >/dev/null 2>&1; [ -s "$SCRATCH/$1" ]; }
ok "one tells" wait_until 20 tells one
ok "none tells" wait_until 20 tells none
said() { sed -n "s/^$2 //p" "$SCRATCH/$1"; }
abi=$(said one abi)
atleast "${abi:-0}" 1 "landlock's version"
# What only landlock refuses here: the mounts, the ids and the filter let it pass.
for s in one none; do
    for word in comm oom; do is "$(said $s $word)" EACCES "$s: /proc/self is not written ($word)"; done
    [ "$abi" -lt 5 ] || is "$(said $s ioctl_null)" EACCES "$s: no ioctl of devices"
    for word in move unix home_unix abstract udp shm fifo run stdout null init_signal; do is "$(said $s $word)" yes "$s: $word works"; done
    is "$(said $s terminal)" "/dev/pts/0 True" "$s: terminals work"
    is "$(said $s script)" 7 "$s: a script in /tmp runs"
    is "$(said $s nested)" 0 "$s: a landlock of its own works"
    is "$(said $s memfd)" 1 "$s: a memfd is opened anew"
    is "$(said $s kill)" -15 "$s: its own processes are signalled"
    for word in etc dev; do is "$(said $s $word)" EROFS "$s: nothing is made in /$word"; done
    for word in init_dir init_environ init_mem; do is "$(said $s $word)" ENOENT "$s: /proc/1 is not there ($word)"; done
done
is "$(said one bind) $(said one connect)" "yes ECONNREFUSED" "TCP with a network"
[ "$abi" -lt 4 ] || is "$(said none bind) $(said none connect)" "EACCES EACCES" "and none without"

# --- rights, limits and descriptors, from outside --------------------------------------------------------------------------------------------------

init=$(field one pid)
main=$(pgrep -P "$init" | head -n 1)
for p in "$init" "$main"; do
    [ "$p" = "$init" ] && who=init || who="the server"
    status=$(tr '\n' ' ' <"/proc/$p/status")
    for set in Inh Prm Eff Bnd Amb; do like "$status" "Cap$set:	0{16} " "$who: Cap$set is empty"; done
    like "$status" "NoNewPrivs:	1 Seccomp:	2 " "$who: no_new_privs, a filter"
    like "$status" "Uid:	$((uids + 1000))	$((uids + 1000))	" "$who: its uid"
    like "$status" "Groups:	 " "$who: no groups"
    limits=$(tr -s ' ' <"/proc/$p/limits")
    for limit in 'core file size 1 1' 'open files 777 777' 'locked memory 65536 65536' 'processes 64 64' 'nice priority 0 0' 'realtime priority 0 0'; do
        like "$limits" "Max $limit " "$who: at most $limit"
    done
done
is "$(ls "/proc/$init/fd" | tr '\n' ' ')" "0 1 2 3 " "init has four descriptors"
is "$(readlink /proc/"$init"/fd/{0,1,2} | sort -u)" /dev/null "three of them lead nowhere"
is "$(for f in /proc/"$main"/fd/{0,1,2}; do readlink "$f" | cut -d: -f1; done | sort -u)" pipe "the server has its three pipes"
# Of a process that cannot be dumped /proc belongs to the root of its namespace, not to its uid.
is "$(stat -c %u "/proc/$init/environ")" "$uids" "init is not dumpable"
is "$(stat -c %u "/proc/$main/environ")" $((uids + 1000)) "the server is"
# With the exec init was dumpable again: until its first call of its own, and the server is not there yet.
strace -f -qq -o "$SCRATCH/trace" "$B/t/lib/sandbox_run" init="$B/holdfast-init" shim="$B/holdfast-shim" launch="$B/holdfast-launch" \
    dir="$SCRATCH/files" base=$base hold=500 -- /bin/true >/dev/null 2>&1
pid=$(awk '/execveat\(/ { print $1; exit }' "$SCRATCH/trace")
calls=$(awk -v p="$pid" '$1 == p' "$SCRATCH/trace" | sed -n '/execveat(/,/PR_SET_DUMPABLE/p' | sed 's/^[0-9]* *//; s/(.*//')
is "$(tail -n 1 <<<"$calls")" prctl "init becomes undumpable"
is "$(grep -cE 'clone|fork|recvmsg|open|socket|connect' <<<"$calls")" 0 "before it hears, opens or starts anything: $(sort -u <<<"$calls" | tr '\n' ' ')"
is "$(awk -v p="$pid" '$1 == p' "$SCRATCH/trace" | grep -c 'KEYCTL_JOIN_SESSION_KEYRING')" 1 "it has a keyring of its own"
exits 0 "stop" killed one
exits 0 "stop" killed none

# --- time -------------------------------------------------------------------------------------------------------------------------------------------

start=$SECONDS
out=$(alone errand=1 wall=1 directory=/home -- /bin/sleep 50)
like "$out" 'ended code=0 signal=9 killed=2' "an errand whose time is up is ended, and that is told"
like "$out" 'ran_longer_than_s=1' "with the time"
atmost $((SECONDS - start)) 20 "at once"
like "$(alone errand=1 wall=30 directory=/home -- /bin/sh -c 'exit 3')" 'ended code=3 signal=0 killed=0' "one that ends in time is not"
like "$(alone errand=1 wall=0 directory=/home -- /bin/true)" 'ok=0 .*step=plan text=an errand without an end' "one without a time does not start"
# A daemon that hears and does nothing any more: the shim needs nobody.
"$B/t/lib/sandbox_run" init="$B/holdfast-init" shim="$B/holdfast-shim" launch="$B/holdfast-launch" dir="$SCRATCH/files" base=$base errand=1 wall=2 \
    directory=/home -- /bin/sleep 50 >"$SCRATCH/hung" 2>&1 & daemon=$!
mine() { grep -lsE "^Uid:.$((base + 1000))" /proc/[0-9]*/status; }
wait_until 10 mine
kill -STOP $daemon
isnt "$(mine)" "" "it runs while the daemon hangs"
no_more() { [ -z "$(mine)" ]; }
ok "and is ended all the same" wait_until 10 no_more
kill -CONT $daemon
wait $daemon
like "$(<"$SCRATCH/hung")" 'killed=2' "the daemon hears of it later"
ok "the daemon of the rig is up" daemon_up
done_testing
